mock_provider "aws" {
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:flow" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/flow" }
  }
}

variables {
  prefix = "jetl2-test"
  region = "eu-central-1"
  zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

run "three_zones_apart" {
  command = apply

  assert {
    condition     = [for subnet in aws_subnet.private : subnet.cidr_block] == ["10.20.0.0/20", "10.20.16.0/20", "10.20.32.0/20"]
    error_message = "The private subnets are not three /20 beside each other."
  }

  assert {
    condition     = [for subnet in aws_subnet.public : subnet.cidr_block] == ["10.20.128.0/24", "10.20.129.0/24", "10.20.130.0/24"]
    error_message = "The public subnets are not three /24 behind the private ones."
  }

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(var.zones)
    error_message = "A zone has no way out of its own."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && length(aws_vpc_endpoint.s3.route_table_ids) >= 1
    error_message = "S3 is not reached past the NAT gateways."
  }

  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "The default security group lets something through."
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL"
    error_message = "The flow log leaves something out."
  }
}

run "one_gateway_where_it_may_be_cheap" {
  command = plan

  variables {
    nat = "single"
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-central-1a"] && length(aws_route.nat) == 3
    error_message = "Not every zone leaves by the one gateway."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix        = "JetL2"
    region        = "Frankfurt"
    zones         = ["eu-central-1a", "eu-central-1a", "eu-central-1b"]
    cidr          = "10.20.1.0/16"
    nat           = "none"
    endpoints     = ["s3"]
    flow_log_days = 2
  }

  expect_failures = [var.prefix, var.region, var.zones, var.cidr, var.nat, var.endpoints, var.flow_log_days]
}
