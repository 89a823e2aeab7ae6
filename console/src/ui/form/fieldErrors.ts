import type { FieldError } from "../../api/types";

const within = (pointer: string, field: string) => pointer === field || pointer.startsWith(`${field}/`);

/** What the manager said of a field or of parts of it. */
export function errorsAt(errors: readonly FieldError[], field: string): FieldError[] {
  return errors.filter((error) => within(error.pointer, field));
}

/** What the manager said of members that no field of the form shows. */
export function errorsBeside(errors: readonly FieldError[], fields: ReadonlySet<string>): FieldError[] {
  return errors.filter((error) => ![...fields].some((field) => within(error.pointer, field)));
}
