output "vpc_id" {
  description = "The network, for security groups."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its address range."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "A subnet in each zone, in the order of `zones`, without addresses of its own on the internet."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "public_subnet_ids" {
  description = "A subnet in each zone, in the order of `zones`, for load balancers."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "egress_addresses" {
  description = "Zone of each NAT gateway -> its public address: what exchanges see, and may be asked to admit."
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
}
