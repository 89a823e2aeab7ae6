import { Label, Modal, ModalBody, ModalHeader, Progress } from "@patternfly/react-core";
import { ExpandableRowContent, Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Task, type TaskRun, taskRunComputersQuery, taskRunsQuery } from "../../api/alerts";
import { textOfCode } from "../../i18n";
import { LoadMore } from "../../ui/LoadMore";
import { Empty, LoadError, Loading } from "../../ui/states";
import { Time } from "../../ui/Time";

const LOOK = {
  running: { status: "info" },
  succeeded: { status: "success" },
  failed: { status: "danger" },
  missed: { status: "warning" },
} as const;

/** How far a run is. */
export function RunState({ run }: { run: TaskRun }) {
  const { t } = useTranslation();
  return (
    <Label isCompact {...LOOK[run.state]}>
      {t(`tasks.states.${run.state}`)}
    </Label>
  );
}

/** How many of a run's computers are done. */
export function RunProgress({ run }: { run: TaskRun }) {
  const { t } = useTranslation();
  const all = run.waiting + run.sent + run.done + run.failed;
  if (all === 0) return null;
  return (
    <Progress
      id={`run-${run.id}`}
      aria-label={t("tasks.progress")}
      size="sm"
      variant={run.failed > 0 && run.state !== "running" ? "warning" : undefined}
      value={Math.floor((100 * (run.done + run.failed)) / all)}
      label={t("tasks.computers", { done: run.done + run.failed, all })}
    />
  );
}

function RunComputers({ run }: { run: TaskRun }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(taskRunComputersQuery(run.id));
  const computers = query.data?.pages.flatMap((page) => page.items) ?? [];
  if (query.isError) return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Loading />;
  if (computers.length === 0) return <p className="skm-subtle">{t("taskForm.noComputers")}</p>;
  return (
    <>
      <Table aria-label={t("taskForm.computersOf")} variant="compact" borders={false}>
        <Thead>
          <Tr>
            <Th>{t("events.computer")}</Th>
            <Th>{t("alerts.state")}</Th>
            <Th>{t("audit.time")}</Th>
            <Th>{t("taskForm.said")}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {computers.map((one) => (
            <Tr key={one.computerId}>
              <Td dataLabel={t("events.computer")}>
                {one.computerName ? (
                  <Link to="/computers/$computerId" params={{ computerId: one.computerId }}>
                    {one.computerName}
                  </Link>
                ) : (
                  <span className="skm-subtle">{t("taskForm.deletedComputer")}</span>
                )}
              </Td>
              <Td dataLabel={t("alerts.state")}>{textOfCode("taskForm.computerStates", one.state)}</Td>
              <Td dataLabel={t("audit.time")}>
                <Time at={one.at} />
              </Td>
              <Td dataLabel={t("taskForm.said")}>
                <span className="skm-break" lang="en">
                  {one.message}
                </span>
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      <LoadMore {...query} />
    </>
  );
}

function RunRows({ run, index }: { run: TaskRun; index: number }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const all = run.waiting + run.sent + run.done + run.failed;
  return (
    <Tbody isExpanded={open}>
      <Tr>
        <Td
          expand={
            all === 0
              ? undefined
              : { rowIndex: index, isExpanded: open, onToggle: () => setOpen(!open), expandId: "run" }
          }
          aria-label={t("taskForm.computersOf")}
        />
        <Td dataLabel={t("taskForm.due")}>
          <Time at={run.dueAt} />
          <div className="skm-subtle skm-small">
            {run.askedBy ? t("taskForm.askedBy", { name: run.askedBy }) : t("taskForm.bySchedule")}
          </div>
        </Td>
        <Td dataLabel={t("alerts.state")}>
          <RunState run={run} />
        </Td>
        <Td dataLabel={t("tasks.progress")}>
          <RunProgress run={run} />
          <span className="skm-subtle skm-small skm-break" lang="en">
            {run.message}
          </span>
        </Td>
        <Td dataLabel={t("taskForm.finished")}>{run.finishedAt && <Time at={run.finishedAt} />}</Td>
      </Tr>
      {open && (
        <Tr isExpanded>
          <Td />
          <Td colSpan={4}>
            <ExpandableRowContent>
              <RunComputers run={run} />
            </ExpandableRowContent>
          </Td>
        </Tr>
      )}
    </Tbody>
  );
}

/** What came of a task, run by run, down to the computers. */
export function TaskRuns({ task, onClose }: { task: Task; onClose: () => void }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(taskRunsQuery(task.id));
  const runs = query.data?.pages.flatMap((page) => page.items) ?? [];
  let list = <Loading />;
  if (query.isError) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.data !== undefined && runs.length === 0) {
    list = <Empty title={t("taskForm.noRuns")}>{t("taskForm.noRunsBody")}</Empty>;
  } else if (query.data !== undefined) {
    list = (
      <>
        <Table aria-label={t("taskForm.runs")} variant="compact">
          <Thead>
            <Tr>
              <Th screenReaderText={t("taskForm.computersOf")} />
              <Th>{t("taskForm.due")}</Th>
              <Th>{t("alerts.state")}</Th>
              <Th>{t("tasks.progress")}</Th>
              <Th>{t("taskForm.finished")}</Th>
            </Tr>
          </Thead>
          {runs.map((run, index) => (
            <RunRows key={run.id} run={run} index={index} />
          ))}
        </Table>
        <LoadMore {...query} />
      </>
    );
  }
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="runs-title">
      <ModalHeader title={t("taskForm.runsOf", { name: task.name })} labelId="runs-title" />
      <ModalBody>{list}</ModalBody>
    </Modal>
  );
}
