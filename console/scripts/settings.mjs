// Makes `src/generated/settings.json`: the properties of every module's settings, from the API's document.
// The policy page builds its forms from it. With `--check` it only says whether the file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = here("../src/generated/settings.json");
const { schemas } = JSON.parse(readFileSync(here("../../crates/api/openapi.json"), "utf8")).components;

/** A schema with its references followed, and the name of the one it referred to. */
function followed(schema) {
  if (schema.$ref === undefined) return { schema };
  const name = schema.$ref.split("/").pop();
  return { schema: schemas[name], name };
}

/** What a form has to know of a schema. */
function field(written, at) {
  const { schema, name } = followed(written);
  if (schema.enum !== undefined) return { kind: "choice", type: name, values: schema.enum };
  switch (schema.type) {
    case "boolean":
      return { kind: "boolean" };
    case "integer":
      return { kind: "number", minimum: schema.minimum ?? 0, maximum: schema.maximum ?? 4_294_967_295 };
    case "string":
      return { kind: "text", type: name };
    case "array":
      return { kind: "list", maximum: schema.maxItems, item: field(schema.items, at) };
    case "object":
      if (schema.properties === undefined) {
        const numbered = schema.propertyNames?.pattern === "^[0-9]{1,10}$";
        return { kind: "keyed", numbered, entry: field(schema.additionalProperties, at) };
      }
      return { kind: "object", type: name, members: members(schema, at) };
    default:
      throw new Error(`${at}: the form does not know how to show ${JSON.stringify(schema)}`);
  }
}

function members(schema, at) {
  const all = Object.entries(schema.properties).map(([name, written]) => ({
    name,
    required: schema.required?.includes(name) ?? false,
    default: written.default,
    field: field(written, `${at}/${name}`),
  }));
  // The mode is what people look for first; then what must be said.
  const rank = (one) =>
    one.name === "mode" ? 0 : one.required ? 1 : ["keyed", "object"].includes(one.field.kind) ? 3 : 2;
  return all.sort((one, other) => rank(one) - rank(other));
}

const modules = Object.entries(schemas.SettingsInForce.properties).map(([id, written]) => [
  id,
  members(followed(written).schema, id),
]);
const text = `${JSON.stringify(Object.fromEntries(modules), null, 1)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(TARGET, text);
} else if (readFileSync(TARGET, "utf8") !== text) {
  process.stderr.write("src/generated/settings.json is not current: npm run generate\n");
  process.exitCode = 1;
}
