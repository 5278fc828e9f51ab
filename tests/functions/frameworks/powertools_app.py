from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

app = APIGatewayHttpResolver()
logger = Logger(service="items")


@app.get("/items/<item_id>")
def item(item_id):
    logger.info("asked for an item")
    return {"item": int(item_id), "q": app.current_event.get_query_string_value("q", "")}


@logger.inject_lambda_context
def handler(event, context):
    return app.resolve(event, context)
