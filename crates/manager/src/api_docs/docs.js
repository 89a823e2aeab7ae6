// Shows /api/v1/openapi.json. Everything becomes text nodes: nothing of the document is taken for markup.
"use strict";

const WORDS = {
  en: { find: "Find", parameters: "Parameters", body: "Body", answers: "Answers", required: "required", example: "Example",
        anyOf: "one of", itemsOf: "list of", mapOf: "object with values of", failed: "The document could not be read." },
  ja: { find: "検索", parameters: "パラメーター", body: "本文", answers: "応答", required: "必須", example: "例",
        anyOf: "次のいずれか", itemsOf: "次のリスト", mapOf: "次の値を持つオブジェクト", failed: "文書を読み込めませんでした。" },
};
const language = navigator.language.startsWith("ja") ? "ja" : "en";
const words = WORDS[language];
const METHODS = ["get", "post", "put", "patch", "delete"];

/** An element with text and children. */
function make(tag, { className, text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter(Boolean));
  return element;
}

/** A schema behind its reference. */
function resolve(api, schema) {
  const name = schema.$ref?.split("/").pop();
  return name ? { name, schema: { ...api.components.schemas[name], ...(schema.description ? { description: schema.description } : {}) } } : { schema };
}

/** What kind of value a schema describes, in a few words. */
function kind(api, given) {
  const { name, schema } = resolve(api, given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return `${words.anyOf} ${choices.map((choice) => kind(api, choice)).join(" | ")}`;
  if (schema.items) return `${words.itemsOf} ${kind(api, schema.items)}`;
  if (name) return name;
  const types = [schema.type ?? "any"].flat().join(" | ");
  const bounds = ["format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default"]
    .filter((bound) => schema[bound] !== undefined)
    .map((bound) => `${bound} ${schema[bound]}`);
  return bounds.length ? `${types} (${bounds.join(", ")})` : types;
}

/** The members of a schema, those of members inside them when they are opened. */
function members(api, given, seen = []) {
  const { name, schema } = resolve(api, given);
  if (name && seen.includes(name)) return null;
  const path = name ? [...seen, name] : seen;
  const inner = schema.items ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : null);
  const parts = [];
  if (schema.properties) {
    const list = make("ul", { className: "members" });
    for (const [member, of] of Object.entries(schema.properties)) {
      const about = resolve(api, of).schema;
      const line = make("li", {}, make("code", { text: member }), " ", make("span", { className: "quiet",
        text: kind(api, of) + (schema.required?.includes(member) ? `, ${words.required}` : "") }));
      if (about.description) line.append(make("div", { text: about.description }));
      line.append(folded(api, of, path) ?? "");
      list.append(line);
    }
    parts.push(list);
  }
  for (const part of [...(schema.allOf ?? []), ...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(inner ? [inner] : [])]) {
    const shown = members(api, part, path);
    if (shown) parts.push(shown);
  }
  return parts.length ? make("div", {}, ...parts) : null;
}

/** The members of a member, shown when it is opened. */
function folded(api, schema, seen) {
  const probe = members(api, schema, seen);
  return probe && make("details", {}, make("summary", { className: "quiet", text: kind(api, schema) }), probe);
}

function contents(api, content) {
  return Object.entries(content ?? {}).flatMap(([type, { schema }]) => [
    make("div", {}, make("code", { text: type }), " ", make("span", { className: "quiet", text: schema ? kind(api, schema) : "" })),
    schema && members(api, schema),
  ]);
}

function example(path, method, operation) {
  const lines = [`curl -H "Authorization: Bearer $SAKIMORI_API_KEY" \\`];
  if (method !== "get") lines.push(`  -X ${method.toUpperCase()} \\`);
  if (operation.requestBody) lines.push(`  -H 'Content-Type: application/json' -d @body.json \\`);
  lines.push(`  '${location.origin}${path}'`);
  return lines.join("\n");
}

function details(api, path, method, operation) {
  const box = make("div");
  if (operation.description) box.append(make("p", { text: operation.description }));
  if (operation.parameters?.length) {
    box.append(make("h3", { text: words.parameters }));
    const list = make("ul", { className: "members" });
    for (const parameter of operation.parameters) {
      list.append(make("li", {}, make("code", { text: parameter.name }), " ",
        make("span", { className: "quiet", text: `${parameter.in}, ${kind(api, parameter.schema ?? {})}${parameter.required ? `, ${words.required}` : ""}` }),
        parameter.description && make("div", { text: parameter.description })));
    }
    box.append(list);
  }
  if (operation.requestBody) box.append(make("h3", { text: words.body }), ...contents(api, operation.requestBody.content).filter(Boolean));
  box.append(make("h3", { text: words.answers }));
  for (const [status, answer] of Object.entries(operation.responses)) {
    box.append(make("div", {}, make("strong", { text: status }), ` ${answer.description ?? ""}`), ...contents(api, answer.content).filter(Boolean));
  }
  box.append(make("h3", { text: words.example }), make("pre", { text: example(path, method, operation) }));
  return box;
}

function show(api) {
  const byTag = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((method) => item[method])) {
      const operation = item[method];
      const tag = operation.tags?.[0] ?? "";
      if (!byTag.has(tag)) byTag.set(tag, []);
      const box = make("details", { className: "operation", id: operation.operationId },
        make("summary", {}, make("span", { className: "method", text: method.toUpperCase() }), make("code", { text: path }), " ",
          make("span", { className: "quiet", text: operation.summary ?? "" })));
      box.addEventListener("toggle", () => {
        if (box.open && box.children.length === 1) box.append(details(api, path, method, operation));
      });
      const text = `${method} ${path} ${operation.operationId} ${operation.summary ?? ""} ${operation.description ?? ""}`;
      byTag.get(tag).push({ box, text: text.toLowerCase() });
    }
  }
  const main = document.getElementById("operations");
  const tags = document.getElementById("tags");
  const sections = [...byTag.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([tag, operations]) => {
    const section = make("section", {}, make("h2", { id: `tag-${tag}`, text: tag }), ...operations.map(({ box }) => box));
    const link = make("a", { href: `#tag-${tag}`, text: tag });
    tags.append(link);
    main.append(section);
    return { section, link, operations };
  });
  const find = document.getElementById("find");
  const narrow = () => {
    const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { section, link, operations } of sections) {
      for (const { box, text } of operations) box.hidden = !wanted.every((word) => text.includes(word));
      section.hidden = link.hidden = operations.every(({ box }) => box.hidden);
    }
  };
  find.addEventListener("input", narrow);
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
}

document.documentElement.lang = language;
document.getElementById("find-label").textContent = words.find;
fetch("/api/v1/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => document.getElementById("operations").append(make("p", { role: "alert", text: `${words.failed} ${error}` })));
