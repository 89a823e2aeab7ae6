import { Button, PageSection, Switch } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { type EventBasedTask, tasksQuery } from "../api/fleet";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { ConditionText } from "./task/ConditionText";
import { TaskForm } from "./task/TaskForm";
import { TaskTrial } from "./task/TaskTrial";

/** The event-based tasks, in the order in which they are asked. */
export function TasksPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(tasksQuery);
  const [editing, setEditing] = useState<{ task?: EventBasedTask }>();
  const [deleting, setDeleting] = useState<EventBasedTask>();
  const [trying, setTrying] = useState(false);
  const read = () => client.invalidateQueries({ queryKey: tasksQuery.queryKey });
  const enable = useMutation({
    mutationFn: ({ task, enabled }: { task: EventBasedTask; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/event-based-tasks/{id}", {
          params: { path: { id: task.id }, header: { "If-Match": task.etag } },
          body: { enabled },
        }),
      ),
    onSettled: read,
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      take(api.DELETE("/api/v1/event-based-tasks/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      setDeleting(undefined);
      await read();
    },
  });
  const create = mayChange && <Button onClick={() => setEditing({})}>{t("fleet.createTask")}</Button>;
  let list = <Loading />;
  if (query.data !== undefined && query.data.length > 0) {
    list = (
      <>
        <p className="skm-subtle skm-gap-below">{t("fleet.tasksOrder")}</p>
        {enable.isError && <SaveError error={enable.error} />}
        <Table aria-label={t("fleet.tasks")} variant="compact">
          <Thead>
            <Tr>
              <Th>{t("fleet.position")}</Th>
              <Th>{t("common.name")}</Th>
              <Th>{t("fleet.triggers")}</Th>
              <Th>{t("fleet.conditions")}</Th>
              <Th>{t("fleet.actionsDone")}</Th>
              <Th>{t("fleet.inForce")}</Th>
              {mayChange && <Th screenReaderText={t("common.actions")} />}
            </Tr>
          </Thead>
          <Tbody>
            {query.data.map((task) => (
              <Tr key={task.id}>
                <Td dataLabel={t("fleet.position")}>{task.position}</Td>
                <Td dataLabel={t("common.name")}>
                  {mayChange ? (
                    <Button variant="link" isInline onClick={() => setEditing({ task })}>
                      {task.name}
                    </Button>
                  ) : (
                    task.name
                  )}
                </Td>
                <Td dataLabel={t("fleet.triggers")}>
                  {task.triggers.map((trigger) => (
                    <div key={trigger}>{t(`fleet.trigger.${trigger}`)}</div>
                  ))}
                </Td>
                <Td dataLabel={t("fleet.conditions")}>
                  {task.conditions.length === 0 && t("fleet.conditionsNone")}
                  {task.conditions.map((condition) => (
                    <ConditionText key={JSON.stringify(condition)} condition={condition} />
                  ))}
                </Td>
                <Td dataLabel={t("fleet.actionsDone")}>
                  {task.actions.map((action) => (
                    <div key={JSON.stringify(action)}>{t(`fleet.action.${action.action}`)}</div>
                  ))}
                </Td>
                <Td dataLabel={t("fleet.inForce")}>
                  <Switch
                    id={`enabled-${task.id}`}
                    aria-label={`${t("fleet.inForce")}: ${task.name}`}
                    isChecked={task.enabled}
                    isDisabled={!mayChange || enable.isPending}
                    onChange={(_, enabled) => enable.mutate({ task, enabled })}
                  />
                </Td>
                {mayChange && (
                  <Td isActionCell>
                    <Button variant="link" isInline isDanger onClick={() => setDeleting(task)}>
                      {t("common.delete")}
                    </Button>
                  </Td>
                )}
              </Tr>
            ))}
          </Tbody>
        </Table>
      </>
    );
  } else if (query.isError) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess) {
    list = (
      <Empty title={t("fleet.tasksEmpty")} action={create}>
        {t("fleet.tasksEmptyBody")}
      </Empty>
    );
  }
  return (
    <>
      <PageHeading
        title={t("fleet.tasks")}
        actions={
          <>
            <Button variant="secondary" onClick={() => setTrying(true)}>
              {t("fleet.trial")}
            </Button>
            {create}
          </>
        }
      />
      <PageSection>{list}</PageSection>
      {editing && <TaskForm task={editing.task} onClose={() => setEditing(undefined)} />}
      {trying && <TaskTrial onClose={() => setTrying(false)} />}
      {deleting && (
        <Confirm
          title={t("fleet.deleteTaskTitle", { name: deleting.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(deleting.id)}
          onClose={() => {
            remove.reset();
            setDeleting(undefined);
          }}
        >
          {t("fleet.deleteTaskBody")}
        </Confirm>
      )}
    </>
  );
}
