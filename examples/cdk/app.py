"""The same as ../terraform-nlb with the AWS CDK: lambdaproxy on EC2 behind a network load balancer that ends TLS.

pip install -r requirements.txt
cdk deploy -c wheel=s3://my-bucket/lambdaproxy-0.2.0-py3-none-any.whl -c certificate=arn:aws:acm:... \\
    -c function=web:prod -c host=api.example.com
"""

import re
import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam

CONFIGURATION = """\
port = "haproxy:tcp:8011:interface=0.0.0.0"
metrics-listen = "haproxy:tcp:9100:interface=0.0.0.0"
function-header = "none"
workers = "auto"
drain-timeout = 60
aws-region = "{region}"
format = "apigateway-v2"

[[route]]
host = "{host}"
path = "$default"
function = "{function}"
"""


class Front(cdk.Stack):
    """Two instances or more, a role that invokes one function, and the balancer."""

    def __init__(self, scope, name, *, wheel, certificate, function, host, **options):
        super().__init__(scope, name, **options)
        network = ec2.Vpc(self, "Network", max_azs=2)
        role = iam.Role(
            self,
            "Instance",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")],
        )
        arn = self.format_arn(
            service="lambda", resource="function", resource_name=function, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        role.add_to_policy(iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[arn]))
        role.add_to_policy(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{wheel.removeprefix('s3://')}"])
        )

        balancer_group = ec2.SecurityGroup(self, "Balancer", vpc=network)
        balancer_group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443))
        instance_group = ec2.SecurityGroup(self, "Instances", vpc=network)
        for port in (8011, 9100):
            instance_group.add_ingress_rule(balancer_group, ec2.Port.tcp(port))

        configuration = CONFIGURATION.format(region=self.region, host=host, function=function)
        script = Path(__file__).parent.parent / "terraform-nlb" / "install.sh.tftpl"
        text = script.read_text().replace("${wheel}", wheel).replace("${configuration}", configuration)
        # A template, and no launch configuration: new accounts cannot make those any more.
        template = ec2.LaunchTemplate(
            self,
            "Template",
            role=role,
            security_group=instance_group,
            instance_type=ec2.InstanceType("t4g.small"),
            machine_image=ec2.MachineImage.from_ssm_parameter("/aws/service/debian/release/12/latest/arm64"),
            user_data=ec2.UserData.custom(text),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
        )
        # One at a time, and the next one when this one has had time to install itself and become healthy.
        instances = autoscaling.AutoScalingGroup(
            self,
            "Group",
            vpc=network,
            launch_template=template,
            min_capacity=2,
            max_capacity=6,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB], grace_period=cdk.Duration.minutes(3)
            ),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                min_instances_in_service=2, max_batch_size=1, pause_time=cdk.Duration.minutes(5)
            ),
        )
        instances.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)

        balancer = elb.NetworkLoadBalancer(
            self, "Front", vpc=network, internet_facing=True, security_groups=[balancer_group]
        )
        listener = balancer.add_listener(
            "Tls", port=443, certificates=[elb.ListenerCertificate(certificate)], ssl_policy=elb.SslPolicy.TLS13_RES
        )
        listener.add_targets(
            "Instances",
            port=8011,
            protocol=elb.Protocol.TCP,
            targets=[instances],
            proxy_protocol_v2=True,
            preserve_client_ip=False,
            deregistration_delay=cdk.Duration.seconds(60),
            health_check=elb.HealthCheck(
                protocol=elb.Protocol.HTTP, port="9100", path="/readyz", interval=cdk.Duration.seconds(10)
            ),
        )
        cdk.CfnOutput(self, "Name", value=balancer.load_balancer_dns_name)


if __name__ == "__main__":
    app = cdk.App()
    given = {name: app.node.try_get_context(name) for name in ("wheel", "certificate", "function", "host")}
    missing = [f"-c {name}=..." for name, value in given.items() if not value]
    if missing:
        sys.exit(f"cdk: {' '.join(missing)} is missing; see the top of app.py")
    if not re.search(r"^s3://[^/]+/(.+/)?lambdaproxy(-[^-/]+){4}\.whl$", given["wheel"]):  # pip refuses another name
        sys.exit(
            f"cdk: wheel={given['wheel']} is no s3://BUCKET/KEY that ends in the name that the wheel was built with"
        )
    Front(app, "lambdaproxy", **given)
    app.synth()
