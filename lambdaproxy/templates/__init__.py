"""Reads templates of AWS (SAM, CloudFormation, CDK, OpenAPI) into functions and routes of our own configuration."""
