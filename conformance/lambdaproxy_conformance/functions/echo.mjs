// Answers with the event that it got, or with the result that the request asks for in X-Conformance-Result.

function asked(event) {
  for (const many of [event.headers ?? {}, event.multiValueHeaders ?? {}]) {
    for (const [name, value] of Object.entries(many)) {
      if (name.toLowerCase() === 'x-conformance-result') {
        return Array.isArray(value) ? value[0] : value;
      }
    }
  }
  return undefined;
}

export const handler = async (event) => {
  const wanted = asked(event);
  if (wanted !== undefined) {
    const result = JSON.parse(Buffer.from(wanted, 'base64').toString());
    if (result?.conformance === 'raise') {
      throw new Error('the case wants the function to fail');
    }
    return result;
  }
  const answer = { statusCode: 200, isBase64Encoded: false, body: JSON.stringify({ event }) };
  const headers = { 'Content-Type': 'application/json' };
  if (event.requestContext?.elb && event.multiValueHeaders) {
    answer.multiValueHeaders = { 'Content-Type': ['application/json'] };
  } else {
    answer.headers = headers;
  }
  return answer;
};
