mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/a-role" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-1", latest_version = 1 }
  }
}

variables {
  prefix          = "jetl2-test"
  subnet_ids      = ["subnet-1", "subnet-2", "subnet-3"]
  admin_role_arns = ["arn:aws:iam::123456789012:role/admin"]
  service_roles   = { ingestor = "arn:aws:iam::123456789012:role/ingestor", merger = "arn:aws:iam::123456789012:role/merger" }
}

run "closed_and_encrypted" {
  command = apply

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "Kubernetes' API can be reached from the internet."
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == aws_kms_key.this.arn && aws_kms_key.this.enable_key_rotation && contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit")
    error_message = "Secrets are not encrypted by our key, or nothing is audited."
  }

  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Somebody else than those named administers."
  }

  assert {
    condition     = aws_launch_template.node.metadata_options[0].http_tokens == "required" && aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1 && aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "Pods can take the node's role, or disks are not encrypted."
  }

  assert {
    condition     = [for group in aws_eks_node_group.this : tolist(group.subnet_ids)] == [tolist(["subnet-1"]), tolist(["subnet-2"]), tolist(["subnet-3"])]
    error_message = "There is not a group of nodes in each zone."
  }

  assert {
    condition     = tomap({ for name, association in aws_eks_pod_identity_association.this : name => association.role_arn }) == var.service_roles && alltrue([for association in aws_eks_pod_identity_association.this : association.namespace == "jetl2"])
    error_message = "A service does not have its role, or another namespace has it."
  }

  assert {
    condition     = contains(keys(aws_eks_addon.before), "eks-pod-identity-agent") && jsondecode(aws_eks_addon.before["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "Pods get no roles, or network policies are not held."
  }

  assert {
    condition     = contains(keys(aws_eks_addon.after), "aws-secrets-store-csi-driver-provider")
    error_message = "Nothing gives pods the secrets that the chart mounts."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix              = "JetL2"
    kubernetes_version  = "1.27"
    subnet_ids          = ["subnet-1"]
    public_access_cidrs = ["0.0.0.0/0"]
    admin_role_arns     = []
    instance_types      = []
    nodes_per_zone      = 0
    nodes_per_zone_max  = 0
    node_disk_gb        = 5
  }

  expect_failures = [
    var.prefix, var.kubernetes_version, var.subnet_ids, var.public_access_cidrs, var.admin_role_arns,
    var.instance_types, var.nodes_per_zone, var.nodes_per_zone_max, var.node_disk_gb,
  ]
}
