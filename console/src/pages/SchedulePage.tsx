import { Button, Label, PageSection, Progress } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { type Task, type TaskRun, tasksQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { useMayChange } from "../session";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";

const LOOK = {
  running: { status: "info" },
  succeeded: { status: "success" },
  failed: { status: "danger" },
  missed: { status: "warning" },
} as const;

function LastRun({ task, run }: { task: Task; run: TaskRun }) {
  const { t } = useTranslation();
  const all = run.waiting + run.sent + run.done + run.failed;
  return (
    <>
      <Label isCompact {...LOOK[run.state]}>
        {t(`tasks.states.${run.state}`)}
      </Label>{" "}
      <Time at={run.dueAt} />
      {run.state === "running" && all > 0 && (
        <Progress
          id={`run-${task.id}`}
          aria-label={t("tasks.progress")}
          size="sm"
          value={Math.floor((100 * (run.done + run.failed)) / all)}
          label={t("tasks.computers", { done: run.done + run.failed, all })}
        />
      )}
      <div className="skm-subtle skm-small skm-break" lang="en">
        {run.message}
      </div>
    </>
  );
}

function RunNow({ task }: { task: Task }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const run = useMutation({
    mutationFn: () => take(api.POST("/api/v1/tasks/{id}/runs", { params: { path: { id: task.id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: tasksQuery.queryKey }),
  });
  return (
    <>
      <Button
        variant="secondary"
        size="sm"
        isDisabled={run.isPending || task.lastRun?.state === "running"}
        onClick={() => run.mutate()}
      >
        {t("tasks.runNow")}
      </Button>
      {run.isError && <SaveError error={run.error} />}
    </>
  );
}

/** What is done by the clock. */
export function SchedulePage() {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useQuery(tasksQuery);
  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data?.length === 0) {
    list = <Empty title={t("tasks.emptyTitle")}>{t("tasks.emptyBody")}</Empty>;
  } else if (query.data) {
    list = (
      <Table aria-label={t("tasks.title")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("tasks.kind")}</Th>
            <Th>{t("tasks.schedule")}</Th>
            <Th>{t("tasks.next")}</Th>
            <Th>{t("tasks.lastRun")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {query.data.map((task) => (
            <Tr key={task.id}>
              <Td dataLabel={t("common.name")}>
                <span className="skm-break">{task.name}</span>
              </Td>
              <Td dataLabel={t("tasks.kind")}>{t(`tasks.kinds.${task.kind}`)}</Td>
              <Td dataLabel={t("tasks.schedule")}>
                <code>{task.schedule}</code>
                <div className="skm-subtle skm-small">{task.timeZone}</div>
              </Td>
              <Td dataLabel={t("tasks.next")}>
                {task.nextAt ? <Time at={task.nextAt} /> : t("common.never")}
              </Td>
              <Td dataLabel={t("tasks.lastRun")}>
                {task.lastRun ? <LastRun task={task} run={task.lastRun} /> : t("common.never")}
              </Td>
              {mayChange && (
                <Td>
                  <RunNow task={task} />
                </Td>
              )}
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  }
  return (
    <>
      <PageHeading title={t("tasks.title")} under={t("tasks.under")} />
      <PageSection>{list}</PageSection>
    </>
  );
}
