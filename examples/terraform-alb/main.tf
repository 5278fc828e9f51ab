# One of the example applications behind an Application Load Balancer.
#
#   make -C .. build APP=flask_app
#   terraform init
#   terraform apply -var 'subnet_ids=["subnet-1","subnet-2"]' -var vpc_id=vpc-1

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
  description = "Name of the function, the load balancer and what belongs to them"
  type        = string
  default     = "lambdaproxy-example"
}

variable "zip" {
  description = "The zip that examples/build.py made"
  type        = string
  default     = "../../dist/flask_app.zip"
}

variable "vpc_id" {
  description = "The network of the load balancer"
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets in at least two zones"
  type        = list(string)
}

variable "multi_value_headers" {
  description = "Whether events and results have lists of header values; the adapters answer either"
  type        = bool
  default     = true
}

resource "aws_iam_role" "function" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_function" "app" {
  function_name    = var.name
  role             = aws_iam_role.function.arn
  runtime          = "python3.13"
  handler          = "app.handler"
  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  memory_size      = 512
  timeout          = 30
}

resource "aws_security_group" "alb" {
  name   = var.name
  vpc_id = var.vpc_id

  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "front" {
  name               = var.name
  load_balancer_type = "application"
  security_groups    = [aws_security_group.alb.id]
  subnets            = var.subnet_ids
}

resource "aws_lb_target_group" "function" {
  name                               = var.name
  target_type                        = "lambda"
  lambda_multi_value_headers_enabled = var.multi_value_headers
}

resource "aws_lambda_permission" "alb" {
  statement_id  = "AllowExecutionFromLoadBalancer"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.app.function_name
  principal     = "elasticloadbalancing.amazonaws.com"
  source_arn    = aws_lb_target_group.function.arn
}

resource "aws_lb_target_group_attachment" "function" {
  target_group_arn = aws_lb_target_group.function.arn
  target_id        = aws_lambda_function.app.arn
  depends_on       = [aws_lambda_permission.alb]
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.front.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.function.arn
  }
}

output "url" {
  description = "Where the application is"
  value       = "http://${aws_lb.front.dns_name}/"
}
