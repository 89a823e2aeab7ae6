import { Button, Card, CardBody, CardTitle, Label } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { textOfCode } from "../../i18n";
import { EXCLUDED, entriesOf, type KeyedField, pointer } from "../../moduleSettings";
import { draftedSettings, inheritedSettings, localSettings, originOf, withKey } from "../../policyDraft";
import { EntryEditor } from "./EntryEditor";
import { inWords, propertyHint, propertyTitle } from "./fieldText";
import { inOrder, ordered } from "./firewallRule";
import type { ModuleProps } from "./ModuleSettings";
import { OriginNote } from "./OriginNote";

/** An entry in a few words: what is said of it, the members that are left open aside. */
function EntryWords({ field, value }: { field: KeyedField; value: unknown }) {
  const { t } = useTranslation();
  const { entry } = field;
  if (entry.kind !== "object") return inWords(entry, value, t);
  const said = ordered(entry).map((one) => [one, entriesOf(value)[one.name]] as const);
  return said
    .filter(([, own]) => own !== undefined && !(Array.isArray(own) && own.length === 0))
    .map(([one, own]) => (
      <span key={one.name} className="skm-member">
        <span className="skm-subtle">{memberTitle(field, one.name)}</span> {inWords(one.field, own, t)}
      </span>
    ));
}

function EntryRow({
  property,
  field,
  name,
  onEdit,
  ...props
}: ModuleProps & { property: string; field: KeyedField; name: string; onEdit: () => void }) {
  const { module, policy, policies, parent, draft, disabled, errors, onChange } = props;
  const { t } = useTranslation();
  const local = localSettings(policy, draft, module);
  const inherited = entriesOf(inheritedSettings(policy, parent, module)[property])[name];
  const own = entriesOf(local[property])[name];
  const excluded = own === EXCLUDED;
  const value = excluded
    ? inherited
    : entriesOf(draftedSettings(policy, parent, draft, module)[property])[name];
  const at = pointer("settings", module, property, name);
  const refused = errors.filter((one) => one.pointer === at || one.pointer.startsWith(`${at}/`));
  const set = (next: unknown) => onChange(withKey(draft, policy, module, property, name, next));
  return (
    <Tr className={excluded ? "skm-excluded" : undefined} data-entry={name}>
      <Td dataLabel={t("common.name")}>
        <span className="skm-break skm-entry-name">{name}</span>
        {refused.map((one) => (
          <div key={one.pointer} className="skm-worrying skm-small">
            {one.message}
          </div>
        ))}
      </Td>
      <Td dataLabel={t("member.value")}>
        <span className="skm-break">
          <EntryWords field={field} value={value} />
        </span>
      </Td>
      <Td dataLabel={t("policy.origin")}>
        {excluded ? (
          <Label isCompact color="orange">
            {t("policy.excluded")}
          </Label>
        ) : (
          <OriginNote
            origin={originOf(policy, parent, local, module, property, name)}
            policies={policies}
            isRoot={policy.parentId === null}
            of={name}
          />
        )}
      </Td>
      {!disabled && (
        <Td dataLabel={t("common.actions")}>
          <span className="skm-heading-title">
            {!excluded && (
              <Button variant="link" isInline aria-label={t("policy.editOf", { name })} onClick={onEdit}>
                {t("policy.edit")}
              </Button>
            )}
            {own === undefined ? (
              <Button
                variant="link"
                isInline
                aria-label={t("policy.excludeOf", { name })}
                onClick={() => set(EXCLUDED)}
              >
                {t("policy.exclude")}
              </Button>
            ) : (
              <Button
                variant="link"
                isInline
                isDanger={inherited === undefined}
                aria-label={t(inherited === undefined ? "policy.removeOf" : "policy.inheritAgainOf", {
                  name,
                })}
                onClick={() => set(null)}
              >
                {t(
                  inherited === undefined
                    ? "policy.remove"
                    : policy.parentId === null
                      ? "policy.useDefaultAgain"
                      : "policy.inheritAgain",
                )}
              </Button>
            )}
          </span>
        </Td>
      )}
    </Tr>
  );
}

/** The name of an entry's member for people. */
export function memberTitle(field: KeyedField, member: string): string {
  return field.entry.kind === "object"
    ? textOfCode(`member.${field.entry.type}`, member)
    : textOfCode("member", "value");
}

/** A property whose entries are inherited, set or left out one by one. */
export function KeyedSetting(props: ModuleProps & { property: string; field: KeyedField }) {
  const { module, property, field, policy, parent, draft, disabled, onChange } = props;
  const { t } = useTranslation();
  const [editing, setEditing] = useState<string | null>();
  const inherited = entriesOf(inheritedSettings(policy, parent, module)[property]);
  const own = entriesOf(localSettings(policy, draft, module)[property]);
  const sorted = [...new Set([...Object.keys(inherited), ...Object.keys(own)])].sort((one, other) =>
    field.numbered ? Number(one) - Number(other) : one.localeCompare(other),
  );
  const names = inOrder(field.entry, sorted, (name) =>
    own[name] === EXCLUDED || own[name] === undefined ? inherited[name] : own[name],
  );
  const title = propertyTitle(module, property);
  const hint = propertyHint(module, property);
  return (
    <Card>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        {hint !== undefined && <p className="skm-subtle">{hint}</p>}
        {names.length === 0 ? (
          <p className="skm-gap-below">{t("common.none")}</p>
        ) : (
          <Table aria-label={title} variant="compact">
            <Thead>
              <Tr>
                <Th>{t("common.name")}</Th>
                <Th>{t("member.value")}</Th>
                <Th>{t("policy.origin")}</Th>
                {!disabled && <Th screenReaderText={t("common.actions")} />}
              </Tr>
            </Thead>
            <Tbody>
              {names.map((name) => (
                <EntryRow key={name} name={name} onEdit={() => setEditing(name)} {...props} />
              ))}
            </Tbody>
          </Table>
        )}
        {!disabled && (
          <Button
            variant="secondary"
            id={`add-${property}`}
            aria-label={t("policy.addTo", { what: title })}
            onClick={() => setEditing(null)}
          >
            {t("policy.add")}
          </Button>
        )}
        {editing !== undefined && (
          <EntryEditor
            title={title}
            field={field}
            name={editing ?? undefined}
            taken={names}
            value={editing === null ? undefined : (own[editing] ?? inherited[editing])}
            onSave={(name, value) => {
              onChange(withKey(draft, policy, module, property, name, value));
              setEditing(undefined);
            }}
            onClose={() => setEditing(undefined)}
          />
        )}
      </CardBody>
    </Card>
  );
}
