import {
  Button,
  Checkbox,
  Form,
  FormFieldGroup,
  FormFieldGroupHeader,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Split,
  SplitItem,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import {
  type EventBasedTask,
  FIELDS,
  groupsQuery,
  PATTERNS,
  parseTags,
  TASK_ACTIONS,
  type TaskAction,
  type TaskCondition,
  TRIGGERS,
  type Trigger,
  tagTexts,
  tasksQuery,
  treeOf,
} from "../../api/fleet";
import { policiesQuery } from "../../api/queries";
import { SaveError } from "../../ui/states";

interface Line<T> {
  id: number;
  value: T;
}

let lines = 0;
const line = <T,>(value: T): Line<T> => {
  lines += 1;
  return { id: lines, value };
};

const keyed = (condition: TaskCondition) => condition.field === "tag" || condition.field === "cloud-tag";

function Condition({
  number,
  value,
  onChange,
  onRemove,
}: {
  number: string;
  value: TaskCondition;
  onChange: (value: TaskCondition) => void;
  onRemove: () => void;
}) {
  const { t } = useTranslation();
  return (
    <Split hasGutter isWrappable>
      <SplitItem>
        <FormSelect
          aria-label={t("fleet.fieldOf", { number })}
          value={value.field}
          onChange={(_, chosen) => {
            const field = FIELDS.find((one) => one === chosen) ?? "host-name";
            onChange({ ...value, field, key: field === "tag" || field === "cloud-tag" ? "" : null });
          }}
        >
          {FIELDS.map((field) => (
            <FormSelectOption key={field} value={field} label={t(`fleet.field.${field}`)} />
          ))}
        </FormSelect>
      </SplitItem>
      {keyed(value) && (
        <SplitItem>
          <TextInput
            aria-label={t("fleet.keyOf", { number })}
            value={value.key ?? ""}
            onChange={(_, key) => onChange({ ...value, key })}
          />
        </SplitItem>
      )}
      <SplitItem>
        <Checkbox
          id={`negate-${number}`}
          aria-label={t("fleet.negateOf", { number })}
          label={t("fleet.not")}
          isChecked={value.negate}
          onChange={(_, negate) => onChange({ ...value, negate })}
        />
      </SplitItem>
      <SplitItem>
        <FormSelect
          aria-label={t("fleet.patternOf", { number })}
          value={value.pattern}
          onChange={(_, chosen) =>
            onChange({ ...value, pattern: PATTERNS.find((one) => one === chosen) ?? "glob" })
          }
        >
          {PATTERNS.map((pattern) => (
            <FormSelectOption key={pattern} value={pattern} label={t(`fleet.pattern.${pattern}`)} />
          ))}
        </FormSelect>
      </SplitItem>
      <SplitItem isFilled>
        <TextInput
          aria-label={t("fleet.valueOf", { number })}
          value={value.value}
          maxLength={256}
          onChange={(_, text) => onChange({ ...value, value: text })}
        />
      </SplitItem>
      <SplitItem>
        <Button variant="link" isInline aria-label={t("fleet.removeLine", { number })} onClick={onRemove}>
          {t("common.delete")}
        </Button>
      </SplitItem>
    </Split>
  );
}

function Action({
  number,
  value,
  onChange,
  onRemove,
}: {
  number: string;
  value: TaskAction;
  onChange: (value: TaskAction) => void;
  onRemove: () => void;
}) {
  const { t } = useTranslation();
  const { data: policies = [] } = useQuery(policiesQuery);
  const { data: groups = [] } = useQuery(groupsQuery);
  const [typedTags, setTypedTags] = useState(() => tagTexts(value.tags ?? {}).join(", "));
  return (
    <Split hasGutter isWrappable>
      <SplitItem>
        <FormSelect
          aria-label={t("fleet.actionOf", { number })}
          value={value.action}
          onChange={(_, chosen) =>
            onChange({ action: TASK_ACTIONS.find((one) => one === chosen) ?? "mark-ephemeral" })
          }
        >
          {TASK_ACTIONS.map((action) => (
            <FormSelectOption key={action} value={action} label={t(`fleet.action.${action}`)} />
          ))}
        </FormSelect>
      </SplitItem>
      <SplitItem isFilled>
        {value.action === "assign-policy" && (
          <FormSelect
            aria-label={t("tokens.policy")}
            value={value.policyId ?? ""}
            onChange={(_, policyId) => onChange({ ...value, policyId })}
          >
            <FormSelectOption value="" label={t("fleet.choose")} isPlaceholder />
            {policies.map((policy) => (
              <FormSelectOption key={policy.id} value={policy.id} label={policy.name} />
            ))}
          </FormSelect>
        )}
        {value.action === "assign-group" && (
          <FormSelect
            aria-label={t("fleet.group")}
            value={value.groupId ?? ""}
            onChange={(_, groupId) => onChange({ ...value, groupId })}
          >
            <FormSelectOption value="" label={t("fleet.choose")} isPlaceholder />
            {treeOf(groups).map(({ group, depth }) => (
              <FormSelectOption
                key={group.id}
                value={group.id}
                label={`${"\u2003".repeat(depth)}${group.name}`}
              />
            ))}
          </FormSelect>
        )}
        {value.action === "add-tags" && (
          <TextInput
            aria-label={t("fleet.tags")}
            placeholder={t("fleet.tagsHint")}
            value={typedTags}
            onChange={(_, typed) => {
              setTypedTags(typed);
              onChange({ ...value, tags: parseTags(typed) });
            }}
          />
        )}
      </SplitItem>
      <SplitItem>
        <Button variant="link" isInline aria-label={t("fleet.removeLine", { number })} onClick={onRemove}>
          {t("common.delete")}
        </Button>
      </SplitItem>
    </Split>
  );
}

/** Makes an event-based task, or changes one. */
export function TaskForm({ task, onClose }: { task?: EventBasedTask; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState(task?.name ?? "");
  const [triggers, setTriggers] = useState<readonly Trigger[]>(task?.triggers ?? ["activated"]);
  const [conditions, setConditions] = useState(() => (task?.conditions ?? []).map(line));
  const [actions, setActions] = useState(() =>
    (task?.actions ?? [{ action: "assign-policy" } as TaskAction]).map(line),
  );
  const save = useMutation({
    mutationFn: () => {
      const body = {
        name: name.trim(),
        triggers: [...triggers],
        conditions: conditions.map((one) => one.value),
        actions: actions.map((one) => one.value),
      };
      return task === undefined
        ? take(api.POST("/api/v1/event-based-tasks", { body }))
        : take(
            api.PATCH("/api/v1/event-based-tasks/{id}", {
              params: { path: { id: task.id }, header: { "If-Match": task.etag } },
              body,
            }),
          );
    },
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: tasksQuery.queryKey });
      onClose();
    },
  });
  const ready = name.trim() !== "" && triggers.length > 0 && actions.length > 0;
  const title = task === undefined ? t("fleet.createTask") : t("fleet.editTask", { name: task.name });
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="task-title">
      <ModalHeader title={title} labelId="task-title" />
      <ModalBody>
        <Form
          id="task-form"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) save.mutate();
          }}
        >
          {save.isError && <SaveError error={save.error} />}
          <FormGroup label={t("common.name")} isRequired fieldId="task-name">
            <TextInput
              id="task-name"
              isRequired
              maxLength={128}
              value={name}
              onChange={(_, value) => setName(value)}
            />
          </FormGroup>
          <FormGroup role="group" label={t("fleet.triggers")} isInline>
            {TRIGGERS.map((trigger) => (
              <Checkbox
                key={trigger}
                id={`trigger-${trigger}`}
                label={t(`fleet.trigger.${trigger}`)}
                isChecked={triggers.includes(trigger)}
                onChange={(_, on) =>
                  setTriggers(on ? [...triggers, trigger] : triggers.filter((one) => one !== trigger))
                }
              />
            ))}
          </FormGroup>
          <FormFieldGroup
            header={
              <FormFieldGroupHeader
                titleText={{ text: t("fleet.conditions"), id: "task-conditions" }}
                actions={
                  <Button
                    variant="secondary"
                    onClick={() =>
                      setConditions([
                        ...conditions,
                        line<TaskCondition>({
                          field: "host-name",
                          pattern: "glob",
                          value: "",
                          negate: false,
                        }),
                      ])
                    }
                  >
                    {t("fleet.addCondition")}
                  </Button>
                }
              />
            }
          >
            {conditions.length === 0 && <p className="skm-subtle">{t("fleet.conditionsNone")}</p>}
            {conditions.map((one, index) => (
              <Condition
                key={one.id}
                number={String(index + 1)}
                value={one.value}
                onChange={(value) =>
                  setConditions(conditions.map((old) => (old.id === one.id ? { ...old, value } : old)))
                }
                onRemove={() => setConditions(conditions.filter((old) => old.id !== one.id))}
              />
            ))}
          </FormFieldGroup>
          <FormFieldGroup
            header={
              <FormFieldGroupHeader
                titleText={{ text: t("fleet.actionsDone"), id: "task-actions" }}
                actions={
                  <Button
                    variant="secondary"
                    onClick={() => setActions([...actions, line<TaskAction>({ action: "add-tags" })])}
                  >
                    {t("fleet.addAction")}
                  </Button>
                }
              />
            }
          >
            {actions.map((one, index) => (
              <Action
                key={one.id}
                number={String(index + 1)}
                value={one.value}
                onChange={(value) =>
                  setActions(actions.map((old) => (old.id === one.id ? { ...old, value } : old)))
                }
                onRemove={() => setActions(actions.filter((old) => old.id !== one.id))}
              />
            ))}
          </FormFieldGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form="task-form"
          isDisabled={!ready || save.isPending}
          isLoading={save.isPending}
        >
          {t("common.save")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
