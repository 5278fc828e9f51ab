"use strict";

// Everything that comes from requests is put into the page as text, never as markup.

const $ = (id) => document.getElementById(id);
const rows = new Map();
let chosen = null, detail = null, tab = "Request", paused = false, replayed = null;
const TABS = ["Request", "Event", "Log", "Result", "Answer", "Formats", "Send again"];

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

async function ask(path, body) {
  const more = body === undefined ? {} : { method: "POST", headers: { "X-Inspector": "1" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { credentials: "same-origin", ...more });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error || answer.statusText);
  return value;
}

function say(text) { $("state").textContent = text; }

function color(status, done) {
  if (!done) return "quiet";
  return status >= 500 ? "bad" : status >= 400 ? "warn" : "good";
}

function matches(entry) {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fields = { method: entry.method, path: entry.path, host: entry.host, function: entry.function, status: entry.status, error: entry.error };
  const text = Object.values(fields).join(" ").toLowerCase();
  return words.every((word) => {
    const not = word.startsWith("-") && word.length > 1;
    const said = not ? word.slice(1) : word;
    const [, name, value] = said.match(/^(method|path|host|function|status|error):(.*)$/) || [];
    const kind = (value ?? said).match(/^([1-5])xx$/);
    let found;
    if (kind && (name === undefined || name === "status")) found = String(fields.status ?? "").startsWith(kind[1]);
    else if (name === "status") found = String(fields.status ?? "").startsWith(value);
    else if (name !== undefined) found = String(fields[name] ?? "").toLowerCase().includes(value);
    else found = text.includes(said);
    return found !== not;
  });
}

function show(entry) {
  let row = rows.get(entry.number);
  if (!row) {
    row = make("tr", { tabindex: "0", "data-number": entry.number, onclick: () => open(entry.number) });
    rows.set(entry.number, row);
    document.querySelector("#list tbody").prepend(row);
    while (rows.size > 200) {
      const oldest = Math.min(...rows.keys());
      rows.get(oldest).remove();
      rows.delete(oldest);
    }
  }
  row.entry = entry;
  const path = entry.method ? `${entry.method} ${entry.path}` : "(no request)";
  row.replaceChildren(
    make("td", { class: "quiet" }, String(entry.number)),
    make("td", { class: color(entry.status, entry.done) }, entry.done ? String(entry.status) : "…"),
    make("td", { class: "request" }, path, entry.error ? make("div", { class: "bad" }, entry.error) : null),
    make("td", {}, entry.function || ""),
    make("td", { class: "number" }, entry.ms === null ? "" : entry.ms.toFixed(1)),
  );
  row.hidden = !matches(entry);
  row.setAttribute("aria-selected", String(entry.number === chosen));
  $("empty").hidden = rows.size > 0;
  if (entry.number === chosen && entry.done && !(detail && detail.done)) open(entry.number);
}

async function load() {
  const all = await ask("/api/requests");
  rows.clear();
  document.querySelector("#list tbody").replaceChildren();
  all.requests.forEach(show);
  $("empty").hidden = rows.size > 0;
  setPaused(all.paused);
}

const SERVICES = { alb: "Load balancer", rest: "REST API", http: "HTTP API", url: "Function URL" };
const REASONS = { "request-body": "request body too large", headers: "headers too large", "response-body": "response too large", time: "took too long", streaming: "not streamed" };
const dollars = (value) => `$${value >= 0.1 || value === 0 ? value.toFixed(2) : value.toFixed(4)}`;

function table(head, rows) {
  return make("table", { class: "numbers" }, make("thead", {}, make("tr", {}, ...head.map((each) => make("th", {}, each)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((each) => make("td", {}, each))))));
}

async function showBill(on) {
  $("bill").setAttribute("aria-pressed", String(on));
  $("costs").hidden = !on;
  $("detail").hidden = on || detail === null;
  if (!on) return;
  let b;
  try { b = await ask("/api/bill"); } catch (error) { say(error.message); return; }
  const names = Object.keys(SERVICES);
  const requests = b.routes.reduce((sum, each) => sum + each.requests, 0);
  const refused = b.routes.flatMap((each) => each.refused.map((one) => [String(one.requests), SERVICES[one.service], REASONS[one.reason] || one.reason, each.route]));
  $("costs").replaceChildren(
    make("h2", {}, "What AWS would have charged"),
    make("p", { class: "quiet" }, `${requests} requests in ${(b.seconds / 60).toFixed(1)} minutes; prices of ${b.prices.region}, ${b.prices.date}, without taxes, data transfer, functions and free tiers`),
    table(["", "so far", "a month at this rate"], [...names.map((each) => [SERVICES[each], dollars(b.totals[each].so_far), dollars(b.totals[each].month)]),
      ["of the load balancer, standing", dollars(b.standing.so_far), dollars(b.standing.month)]]),
    ...(b.sockets.length ? [make("h3", {}, "WebSocket APIs"), table(["", "so far", "a month at this rate", "messages", "minutes", "messages over 128 KB"],
      b.sockets.map((each) => [each.websocket, each.cost ? dollars(each.cost.so_far) : "no price", each.cost ? dollars(each.cost.month) : "", String(each.messages), each.minutes.toFixed(0), String(each.refused)]))] : []),
    make("h3", {}, "A month at this rate, by route"),
    table(["route", "requests so far", ...names.slice(0, 3).map((each) => SERVICES[each])],
      b.routes.map((each) => [each.route, String(each.requests), ...names.slice(0, 3).map((one) => dollars(each.costs[one].month))])),
    make("h3", {}, "Would have been refused or cut"),
    refused.length ? table(["requests", "by", "because", "route"], refused) : make("p", { class: "quiet" }, "None of them."),
  );
  $("costs").focus();
}

async function open(number) {
  showBill(false);
  chosen = number;
  for (const [key, row] of rows) row.setAttribute("aria-selected", String(key === number));
  try {
    detail = await ask(`/api/requests/${number}${$("reveal").checked ? "?reveal=1" : ""}`);
  } catch (error) {
    say(error.message);
    return;
  }
  render();
}

function render() {
  $("detail").hidden = false;
  const d = detail;
  $("title").textContent = d.refused ? `Refused: ${d.refused.status} ${d.refused.reason}` : `${d.method} ${d.target}`;
  const problem = $("problem");
  problem.hidden = !d.problem && !d.note;
  if (d.note) problem.replaceChildren(make("div", {}, d.note));
  if (d.problem) {
    problem.replaceChildren(make("strong", {}, d.problem.label), ` ${d.problem.detail}`, make("div", {}, d.problem.advice));
  }
  $("times").replaceChildren(...(d.times || []).filter((t) => t[1] !== null).map(([name, ms]) => make("li", {}, `${name} ${ms.toFixed(1)} ms`)));
  const tabs = d.refused ? ["Bytes"] : TABS;
  if (!tabs.includes(tab)) tab = tabs[0];
  $("tabs").replaceChildren(...tabs.map((name, at) => make("button", {
    role: "tab", type: "button", "aria-selected": String(name === tab), title: `key ${at + 1}`,
    onclick: () => { tab = name; render(); },
  }, name)));
  $("panel").replaceChildren();
  PANELS[tab](d, $("panel"));
}

function copyButton(text, label) {
  return make("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(text); say(`${label}: copied`); }
    catch { say("the browser does not let us copy; select the text"); }
  } }, label);
}

function pretty(value) { return JSON.stringify(value, null, 2); }

function block(title, text, ...more) {
  return [make("h3", {}, title, " ", ...more), make("pre", {}, text)];
}

function body(b) {
  if (!b) return "(none)";
  const cut = b.cut ? `\n… the first 256 KB of ${b.size} bytes` : "";
  if (b.value !== undefined) return pretty(b.value) + cut;
  if (b.base64 !== undefined) return `base64, ${b.size} bytes:\n${b.base64}${cut}`;
  return b.size === 0 ? "(empty)" : b.text + cut;
}

const lines = (headers) => headers.map(([name, value]) => `${name}: ${value}`).join("\n");

const PANELS = {
  Bytes: (d, panel) => panel.append(...block(d.refused.detail || d.refused.reason, d.refused.bytes || "(none)")),
  Request: (d, panel) => panel.append(
    d.curl ? copyButton(d.curl, "Copy as curl") : "", " ", d.case ? copyButton(pretty(d.case), "Copy as test case") : "",
    ...block("Headers", `${d.method} ${d.target}\n${lines(d.headers)}`),
    ...block("Body", body(d.body)),
    ...block("Route", `${d.route || "none"}\nformat ${d.format || "none"}\nfunction ${d.function || "none"} ${d.version || ""}\nclient ${d.client}\nid ${d.id}${d.shadow ? `\nshadow ${d.shadow}` : ""}`)),
  Event: (d, panel) => panel.append(
    d.event && d.event.value !== undefined ? copyButton(pretty(d.event.value), "Copy event") : "",
    ...block(`As the function got it (${d.format || "no format"})`, d.event ? body(d.event) : "The function was not invoked.")),
  Log: (d, panel) => panel.append(...block("The last 4 KB of the function's log", d.log || "(nothing)")),
  Result: (d, panel) => panel.append(...block(d.function_error ? `Error of the function: ${d.function_error}` : "As the function gave it", d.result ? body(d.result) : "There is none.")),
  Answer: (d, panel) => {
    if (!d.answer) { panel.append("There is none yet."); return; }
    panel.append(...block("Headers", `${d.answer.status}\n${lines(d.answer.headers)}`), ...block(`Body (${d.answer.sent} bytes sent${d.fate ? `, ${d.fate}` : ""})`, body(d.answer.body)));
  },
  Formats: async (d, panel) => {
    const number = d.number;
    panel.append("…");
    let all;
    try { all = (await ask(`/api/requests/${number}/formats${$("reveal").checked ? "?reveal=1" : ""}`)).formats; }
    catch (error) { panel.replaceChildren(error.message); return; }
    if (detail.number !== number || tab !== "Formats") return;
    const own = all.find((each) => each.own && each.event);
    const known = new Set(own ? pretty(own.event).split("\n").map((line) => line.trim().replace(/,$/, "")) : []);
    panel.replaceChildren(make("p", { class: "quiet" }, "Marked is what the event of the route's own format does not have."),
      make("div", { class: "formats" }, ...all.map((each) => make("div", {},
        make("h3", {}, each.format, each.own ? " (this route's)" : ""),
        each.refused ? make("pre", { class: "warn" }, `not invoked: ${each.refused}`) : marked(each, known)))));
  },
  "Send again": (d, panel) => {
    if (d.not_again) { panel.append(make("p", {}, d.not_again)); return; }
    const method = make("input", { value: d.method, "aria-label": "method", size: "8" });
    const target = make("input", { value: d.target, "aria-label": "target" });
    const headers = make("textarea", { "aria-label": "headers" });
    headers.value = lines(d.headers);
    const text = make("textarea", { "aria-label": "body" });
    text.value = d.body.text || "";
    const binary = d.body.base64 !== undefined;
    text.disabled = binary;
    const format = make("input", { value: d.format || "", "aria-label": "format" });
    const name = make("input", { value: d.function || "", "aria-label": "function" });
    const send = async (event) => {
      event.preventDefault();
      const said = { number: d.number, method: method.value.trim(), headers: headers.value.split("\n").filter((l) => l.trim()).map((l) => [l.split(":")[0], l.split(":").slice(1).join(":")]), format: format.value.trim(), function: name.value.trim() };
      if (target.value !== d.target) said.target = target.value.trim();
      if (!binary && text.value !== (d.body.text || "")) said.body = text.value;
      try {
        const made = await ask("/api/replay", said);
        replayed = d.number;
        tab = "Answer";
        if (made.number !== null) await open(made.number);
        say(`sent again as ${made.number}`);
      } catch (error) { say(error.message); }
    };
    panel.append(make("form", { onsubmit: send },
      make("label", {}, "Method", method), make("label", {}, "Target", target), make("label", {}, "Headers", headers),
      make("label", {}, binary ? "Body (binary: sent as it was)" : "Body", text),
      make("label", {}, "Format", format), make("label", {}, "Function", name),
      make("div", {}, make("button", { type: "submit", id: "send" }, "Send"))));
  },
};

function marked(each, known) {
  const pre = make("pre");
  for (const line of pretty(each.event).split("\n")) {
    const same = each.own || known.has(line.trim().replace(/,$/, "")) || /^[\s{}\[\],]*$/.test(line);
    pre.append(same ? `${line}\n` : make("mark", {}, line));
  }
  return pre;
}

function setPaused(on) {
  paused = on;
  $("pause").setAttribute("aria-pressed", String(on));
  $("pause").textContent = on ? "Paused" : "Pause";
}

function move(by) {
  const shown = [...document.querySelectorAll("#list tbody tr")].filter((row) => !row.hidden);
  if (!shown.length) return;
  const at = shown.findIndex((row) => Number(row.dataset.number) === chosen);
  const row = shown[Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + by))];
  row.scrollIntoView({ block: "nearest" });
  row.focus();
  open(Number(row.dataset.number));
}

$("filter").addEventListener("input", () => { for (const row of rows.values()) row.hidden = !matches(row.entry); });
$("reveal").addEventListener("change", () => { if (chosen !== null) open(chosen); });
$("clear").addEventListener("click", () => ask("/api/clear", {}).catch((error) => say(error.message)));
$("bill").addEventListener("click", () => showBill($("costs").hidden));
$("pause").addEventListener("click", () => ask("/api/pause", { paused: !paused }).then((v) => setPaused(v.paused)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "j" || event.key === "ArrowDown") move(1);
  else if (event.key === "k" || event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && event.target.dataset.number) open(Number(event.target.dataset.number));
  else if (event.key === "/") $("filter").focus();
  else if (event.key === "p") $("pause").click();
  else if (event.key === "b") $("bill").click();
  else if (event.key === "r" && detail && !detail.refused) { tab = "Send again"; render(); $("panel").querySelector("input")?.focus(); }
  else if (/^[1-7]$/.test(event.key) && detail && !detail.refused) { tab = TABS[Number(event.key) - 1]; render(); }
  else return;
  event.preventDefault();
});

function follow() {
  const stream = new EventSource("/api/stream");
  stream.addEventListener("open", () => { say("watching"); load().catch((error) => say(error.message)); });
  stream.addEventListener("requests", (event) => JSON.parse(event.data).forEach(show));
  stream.addEventListener("missed", () => load());
  stream.addEventListener("cleared", () => { chosen = null; detail = null; $("detail").hidden = true; load(); });
  stream.addEventListener("error", () => say("not connected; trying again"));
}

if (location.search) history.replaceState(null, "", "/");
follow();
