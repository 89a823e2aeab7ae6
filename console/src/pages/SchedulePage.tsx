import { Button, PageSection, Switch } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Task, tasksQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { policiesQuery } from "../api/queries";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";
import { ScheduleText } from "./schedule/ScheduleText";
import { TaskModal } from "./schedule/TaskModal";
import { RunProgress, RunState, TaskRuns } from "./schedule/TaskRuns";

/** What is open beside the list; objects by their id, so that what is read anew reaches the form. */
type Open = { what: "create" } | { what: "edit" | "runs" | "delete"; id: string };

function useTaskChanges() {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: tasksQuery.queryKey });
  const enable = useMutation({
    mutationFn: ({ task, enabled }: { task: Task; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/tasks/{id}", {
          params: { path: { id: task.id }, header: { "If-Match": task.etag } },
          body: { enabled },
        }),
      ),
    onSettled,
  });
  const run = useMutation({
    mutationFn: (id: string) => take(api.POST("/api/v1/tasks/{id}/runs", { params: { path: { id } } })),
    onSettled,
  });
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/tasks/{id}", { params: { path: { id } } })),
    onSettled,
  });
  return { enable, run, remove };
}

/** What is done by the clock. */
export function SchedulePage() {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useQuery(tasksQuery);
  const { data: policies = [] } = useQuery(policiesQuery);
  const [open, setOpen] = useState<Open>();
  const { enable, run, remove } = useTaskChanges();
  const chosen = open && "id" in open ? query.data?.find((task) => task.id === open.id) : undefined;
  const close = () => setOpen(undefined);
  const create = mayChange && (
    <Button onClick={() => setOpen({ what: "create" })}>{t("taskForm.create")}</Button>
  );
  const policyName = (id: string) => policies.find((policy) => policy.id === id)?.name ?? t("common.unknown");

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = (
      <Empty title={t("tasks.emptyTitle")} action={create}>
        {t("tasks.emptyBody")}
      </Empty>
    );
  } else if (query.data) {
    list = (
      <Table aria-label={t("tasks.title")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("tasks.schedule")}</Th>
            <Th>{t("tasks.next")}</Th>
            <Th>{t("tasks.lastRun")}</Th>
            <Th>{t("alerts.inForce")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((task) => (
            <Tr key={task.id}>
              <Td dataLabel={t("common.name")}>
                {mayChange ? (
                  <Button
                    variant="link"
                    isInline
                    className="skm-link-text"
                    onClick={() => setOpen({ what: "edit", id: task.id })}
                  >
                    {task.name}
                  </Button>
                ) : (
                  <span className="skm-break">{task.name}</span>
                )}
                <div className="skm-subtle skm-small">
                  {t(`tasks.kinds.${task.kind}`)}
                  {task.policyId && ` · ${policyName(task.policyId)}`}
                </div>
              </Td>
              <Td dataLabel={t("tasks.schedule")}>
                <ScheduleText schedule={task.schedule} />
                <div className="skm-subtle skm-small">{task.timeZone}</div>
              </Td>
              <Td dataLabel={t("tasks.next")}>
                {task.nextAt ? <Time at={task.nextAt} /> : t("common.never")}
              </Td>
              <Td dataLabel={t("tasks.lastRun")}>
                {task.lastRun ? (
                  <>
                    <RunState run={task.lastRun} /> <Time at={task.lastRun.dueAt} />
                    {task.lastRun.state === "running" && <RunProgress run={task.lastRun} />}
                    <div className="skm-subtle skm-small skm-break" lang="en">
                      {task.lastRun.message}
                    </div>
                  </>
                ) : (
                  t("common.never")
                )}
              </Td>
              <Td dataLabel={t("alerts.inForce")}>
                <Switch
                  id={`task-${task.id}`}
                  aria-label={`${t("alerts.inForce")}: ${task.name}`}
                  isChecked={task.enabled}
                  isDisabled={!mayChange || enable.isPending}
                  onChange={(_, enabled) => enable.mutate({ task, enabled })}
                />
              </Td>
              <Td isActionCell>
                <div className="skm-line-actions">
                  {mayChange && (
                    <Button
                      variant="secondary"
                      size="sm"
                      aria-label={`${t("tasks.runNow")}: ${task.name}`}
                      isDisabled={run.isPending || task.lastRun?.state === "running"}
                      onClick={() => run.mutate(task.id)}
                    >
                      {t("tasks.runNow")}
                    </Button>
                  )}
                  <Button
                    variant="link"
                    isInline
                    aria-label={t("taskForm.runsOf", { name: task.name })}
                    onClick={() => setOpen({ what: "runs", id: task.id })}
                  >
                    {t("taskForm.runs")}
                  </Button>
                  {mayChange && (
                    <Button
                      variant="link"
                      isInline
                      isDanger
                      aria-label={`${t("common.delete")}: ${task.name}`}
                      onClick={() => setOpen({ what: "delete", id: task.id })}
                    >
                      {t("common.delete")}
                    </Button>
                  )}
                </div>
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  const failed = [run, enable].find((one) => one.isError);
  return (
    <>
      <PageHeading title={t("tasks.title")} under={t("tasks.under")} actions={create} />
      <PageSection>
        {failed && <SaveError error={failed.error} title={t("error.notDone")} />}
        {list}
      </PageSection>
      {open?.what === "create" && <TaskModal onClose={close} />}
      {open?.what === "edit" && chosen && <TaskModal key={chosen.id} task={chosen} onClose={close} />}
      {open?.what === "runs" && chosen && <TaskRuns task={chosen} onClose={close} />}
      {open?.what === "delete" && chosen && (
        <Confirm
          title={t("taskForm.deleteTitle", { name: chosen.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(chosen.id, { onSuccess: close })}
          onClose={() => {
            remove.reset();
            close();
          }}
        >
          {t("taskForm.deleteBody")}
        </Confirm>
      )}
    </>
  );
}
