const express = require("express");
const serverless = require("serverless-http");

const app = express();
app.use(express.json());
app.all("/items/:id", (request, response) => {
  response.json({ item: Number(request.params.id), q: request.query.q ?? "" });
});

exports.handler = serverless(app);
