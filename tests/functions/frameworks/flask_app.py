from apig_wsgi import make_lambda_handler
from flask import Flask, request

app = Flask(__name__)


@app.route("/items/<int:item_id>", methods=["GET", "POST"])
def item(item_id):
    return {"item": item_id, "q": request.args.get("q", ""), "body": request.get_data(as_text=True)}


handler = make_lambda_handler(app)
