import { FormHelperText, HelperText, HelperTextItem } from "@patternfly/react-core";

/** Below a field: what is wrong with it, else what it means; nothing where there is neither. */
export function FieldHint({ id, hint, wrong }: { id: string; hint?: string; wrong?: string }) {
  if (hint === undefined && wrong === undefined) return null;
  return (
    <FormHelperText>
      <HelperText id={`${id}-hint`}>
        <HelperTextItem variant={wrong === undefined ? "default" : "error"}>{wrong ?? hint}</HelperTextItem>
      </HelperText>
    </FormHelperText>
  );
}
