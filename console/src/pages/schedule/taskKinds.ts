import type { Task } from "../../api/alerts";

/** What the console has to know of each kind of task: whether computers do it, or the manager itself. */
export const TASK_KINDS: Record<Task["kind"], { onComputers: boolean }> = {
  "malware-scan": { onComputers: true },
  "recommendation-scan": { onComputers: true },
  "integrity-scan": { onComputers: true },
  "content-update": { onComputers: false },
  report: { onComputers: false },
  backup: { onComputers: false },
  retention: { onComputers: false },
};

/** In the order in which they are offered. */
export const taskKinds = Object.keys(TASK_KINDS) as Task["kind"][];
