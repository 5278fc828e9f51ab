# lambdaproxy on EC2 behind a network load balancer, which ends TLS: two instances, a role that may invoke the functions
# that are named and nothing else, and no keys anywhere. The inverse, an application in Lambda behind AWS's own load
# balancer, is in ../terraform-alb.
#
#   terraform init
#   terraform apply -var vpc_id=vpc-1 -var 'subnet_ids=["subnet-1","subnet-2"]' \
#     -var wheel=s3://my-bucket/lambdaproxy-0.2.0-py3-none-any.whl -var certificate_arn=arn:aws:acm:...

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "name" {
  description = "Name of the instances, the load balancer and what belongs to them"
  type        = string
  default     = "lambdaproxy"
}

variable "wheel" {
  description = "Where the instances get lambdaproxy from: the wheel that `make build` made, in a bucket, as s3://BUCKET/KEY"
  type        = string

  # pip refuses a wheel whose name does not say what it is, and the instances would find that out.
  validation {
    condition     = can(regex("^s3://[^/]+/([^/]+/)*lambdaproxy-[^-/]+-[^-/]+-[^-/]+-[^-/]+[.]whl$", var.wheel))
    error_message = "wheel: s3://BUCKET/KEY, where KEY ends in the name that the wheel was built with, as lambdaproxy-0.2.0-py3-none-any.whl."
  }
}

variable "functions" {
  description = "Functions that may be invoked, by host: the name and an alias"
  type        = map(object({ name = string, alias = string }))
  default     = { "api.example.com" = { name = "web", alias = "prod" } }
}

variable "format" {
  description = "Which front door's events the functions get"
  type        = string
  default     = "apigateway-v2"
}

variable "vpc_id" {
  description = "The network of the load balancer and the instances"
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in at least two zones, with a way to the Lambda API: a NAT gateway or a VPC endpoint"
  type        = list(string)
}

variable "certificate_arn" {
  description = "The certificate of the load balancer"
  type        = string
}

variable "instance_type" {
  description = "One worker runs for each processor"
  type        = string
  default     = "t4g.small"
}

data "aws_region" "here" {}

data "aws_caller_identity" "here" {}

data "aws_ssm_parameter" "image" {
  name = "/aws/service/debian/release/12/latest/arm64"
}

locals {
  bucket = split("/", trimprefix(var.wheel, "s3://"))[0]
  key    = join("/", slice(split("/", trimprefix(var.wheel, "s3://")), 1, length(split("/", trimprefix(var.wheel, "s3://")))))
  arns = [
    for function in var.functions :
    "arn:aws:lambda:${data.aws_region.here.name}:${data.aws_caller_identity.here.account_id}:function:${function.name}:${function.alias}"
  ]
  configuration = templatefile("${path.module}/lambdaproxy.toml.tftpl", {
    region    = data.aws_region.here.name
    format    = var.format
    functions = var.functions
  })
}

# -- what it may do ----------------------------------------------------------------------------------------------------

resource "aws_iam_role" "instance" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "invoke" {
  name = "invoke"
  role = aws_iam_role.instance.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "lambda:InvokeFunction", Resource = local.arns },
      { Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::${local.bucket}/${local.key}" },
    ]
  })
}

# A shell without SSH keys and open ports: aws ssm start-session.
resource "aws_iam_role_policy_attachment" "session" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "instance" {
  name = var.name
  role = aws_iam_role.instance.name
}

# -- the instances -----------------------------------------------------------------------------------------------------

resource "aws_security_group" "balancer" {
  name   = "${var.name}-balancer"
  vpc_id = var.vpc_id

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# Nobody but the balancer reaches the ports: whoever connects to 8011 says himself who the client is.
resource "aws_security_group" "instance" {
  name   = "${var.name}-instance"
  vpc_id = var.vpc_id

  ingress {
    from_port       = 8011
    to_port         = 8011
    protocol        = "tcp"
    security_groups = [aws_security_group.balancer.id]
  }

  ingress {
    from_port       = 9100
    to_port         = 9100
    protocol        = "tcp"
    security_groups = [aws_security_group.balancer.id]
  }

  egress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_launch_template" "instance" {
  name_prefix   = "${var.name}-"
  image_id      = data.aws_ssm_parameter.image.value
  instance_type = var.instance_type
  user_data = base64encode(templatefile("${path.module}/install.sh.tftpl", {
    wheel         = var.wheel
    configuration = local.configuration
  }))
  vpc_security_group_ids = [aws_security_group.instance.id]

  iam_instance_profile {
    name = aws_iam_instance_profile.instance.name
  }

  # Version 2 of the metadata service only: a request that a function or a client smuggles there gets no keys.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
}

resource "aws_autoscaling_group" "instances" {
  name                      = var.name
  min_size                  = 2
  max_size                  = 6
  vpc_zone_identifier       = var.subnet_ids
  target_group_arns         = [aws_lb_target_group.instances.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 180

  launch_template {
    id      = aws_launch_template.instance.id
    version = aws_launch_template.instance.latest_version
  }

  # A new configuration or version: new instances first, then the old ones leave.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
    }
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = var.name
  autoscaling_group_name = aws_autoscaling_group.instances.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 60
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

# -- the balancer ------------------------------------------------------------------------------------------------------

resource "aws_lb" "front" {
  name               = var.name
  load_balancer_type = "network"
  security_groups    = [aws_security_group.balancer.id]
  subnets            = var.subnet_ids
}

resource "aws_lb_target_group" "instances" {
  name                 = var.name
  vpc_id               = var.vpc_id
  port                 = 8011
  protocol             = "TCP"
  proxy_protocol_v2    = true
  preserve_client_ip   = false
  deregistration_delay = 60

  # Requests in progress are finished: an instance that leaves keeps its connections.
  connection_termination = false

  health_check {
    protocol            = "HTTP"
    port                = 9100
    path                = "/readyz"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

# A flow over TLS that is silent for 350 seconds is dropped, and that cannot be changed: functions that take longer stream,
# or have a TCP listener here (tcp_idle_timeout_seconds up to 6,000) and TLS on the instances, without the PROXY protocol.
resource "aws_lb_listener" "tls" {
  load_balancer_arn = aws_lb.front.arn
  port              = 443
  protocol          = "TLS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  alpn_policy       = "None"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.instances.arn
  }
}

output "name" {
  description = "Where the hosts of `functions` have to point (a CNAME or an alias)"
  value       = aws_lb.front.dns_name
}
