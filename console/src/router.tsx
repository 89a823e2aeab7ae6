import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { sessionQuery } from "./api/queries";
import { LoginPage } from "./pages/LoginPage";
import { NotFound } from "./pages/NotFound";
import { Shell } from "./Shell";
import { parseComputerSearch, parseEventSearch, parseOneComputerSearch, parsePolicySearch } from "./search";
import { adoptSession } from "./session";
import { PageError } from "./ui/states";

const rootRoute = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: PageError,
});

/** Only an address of this console: a log-in must not send anybody elsewhere. */
export function safeNext(next: unknown): string | undefined {
  return typeof next === "string" && /^\/(?![/\\])/.test(next) && !next.startsWith("/login")
    ? next
    : undefined;
}

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: (raw: Record<string, unknown>): { next?: string; ended?: boolean } => ({
    next: safeNext(raw.next),
    ended: raw.ended === true ? true : undefined,
  }),
  component: LoginPage,
});

let hadSession = false;

const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "app",
  beforeLoad: async ({ context, location }) => {
    const session = await context.client.fetchQuery(sessionQuery);
    adoptSession(session);
    if (session === null) {
      const next = safeNext(location.href);
      const ended = hadSession || undefined;
      hadSession = false;
      throw redirect({ to: "/login", search: { next: next === "/" ? undefined : next, ended } });
    }
    hadSession = true;
    return { session };
  },
  component: Shell,
});

/** Told at the log-out, so that the log-in page does not speak of a session that ended by itself. */
export function forgetSession(): void {
  hadSession = false;
}

const overviewRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/OverviewPage"), "OverviewPage"),
});

const computersRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/computers",
  validateSearch: parseComputerSearch,
  component: lazyRouteComponent(() => import("./pages/ComputersPage"), "ComputersPage"),
});

const computerRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/computers/$computerId",
  validateSearch: parseOneComputerSearch,
  component: lazyRouteComponent(() => import("./pages/ComputerPage"), "ComputerPage"),
});

const groupsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/groups",
  component: lazyRouteComponent(() => import("./pages/GroupsPage"), "GroupsPage"),
});

const coverageRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/coverage",
  component: lazyRouteComponent(() => import("./pages/CoveragePage"), "CoveragePage"),
});

const tasksRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/event-based-tasks",
  component: lazyRouteComponent(() => import("./pages/TasksPage"), "TasksPage"),
});

const eventsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/events",
  validateSearch: parseEventSearch,
  component: lazyRouteComponent(() => import("./pages/EventsPage"), "EventsPage"),
});

const alertsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/alerts",
  validateSearch: (raw: Record<string, unknown>): { view?: string } => ({
    view: typeof raw.view === "string" ? raw.view : undefined,
  }),
  component: lazyRouteComponent(() => import("./pages/AlertsPage"), "AlertsPage"),
});

const alertRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/alerts/$alertId",
  component: lazyRouteComponent(() => import("./pages/AlertPage"), "AlertPage"),
});

const scheduleRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks",
  component: lazyRouteComponent(() => import("./pages/SchedulePage"), "SchedulePage"),
});

const channelsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/channels",
  component: lazyRouteComponent(() => import("./pages/ChannelsPage"), "ChannelsPage"),
});

/** What of a page is shown, in its address. */
const views = <const T extends string>(...allowed: T[]) => ({
  validateSearch: (raw: Record<string, unknown>): { view?: T } => ({
    view: allowed.find((one) => one === raw.view),
  }),
});

const searchesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/searches",
  ...views("saved", "tags"),
  component: lazyRouteComponent(() => import("./pages/SearchesPage"), "SearchesPage"),
});

const accessRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/access",
  ...views("users", "keys"),
  component: lazyRouteComponent(() => import("./pages/AccessPage"), "AccessPage"),
});

const fleetSettingsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/fleet-settings",
  component: lazyRouteComponent(() => import("./pages/FleetSettingsPage"), "FleetSettingsPage"),
});

const upgradesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/upgrades",
  component: lazyRouteComponent(() => import("./pages/UpgradesPage"), "UpgradesPage"),
});

const upgradeRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/upgrades/$upgradeId",
  component: lazyRouteComponent(() => import("./pages/UpgradePage"), "UpgradePage"),
});

const policiesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/policies",
  component: lazyRouteComponent(() => import("./pages/PoliciesPage"), "PoliciesPage"),
});

const policyRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/policies/$policyId",
  validateSearch: parsePolicySearch,
  component: lazyRouteComponent(() => import("./pages/PolicyPage"), "PolicyPage"),
});

const listsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/lists",
  component: lazyRouteComponent(() => import("./pages/ListsPage"), "ListsPage"),
});

const rulesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/rules",
  validateSearch: (raw: Record<string, unknown>): { q?: string } => ({
    q: raw.q === undefined || raw.q === "" ? undefined : String(raw.q),
  }),
  component: lazyRouteComponent(() => import("./pages/RulesPage"), "RulesPage"),
});

const ruleRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/rules/$sid",
  component: lazyRouteComponent(() => import("./pages/RulePage"), "RulePage"),
});

const tokensRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/activation-tokens",
  component: lazyRouteComponent(() => import("./pages/TokensPage"), "TokensPage"),
});

const auditRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/audit",
  component: lazyRouteComponent(() => import("./pages/AuditPage"), "AuditPage"),
});

const routeTree = rootRoute.addChildren([
  loginRoute,
  appRoute.addChildren([
    overviewRoute,
    computersRoute,
    computerRoute,
    groupsRoute,
    coverageRoute,
    tasksRoute,
    eventsRoute,
    alertsRoute,
    alertRoute,
    channelsRoute,
    scheduleRoute,
    upgradesRoute,
    upgradeRoute,
    policiesRoute,
    policyRoute,
    listsRoute,
    rulesRoute,
    ruleRoute,
    tokensRoute,
    searchesRoute,
    accessRoute,
    fleetSettingsRoute,
    auditRoute,
  ]),
]);

/** The console's addresses. */
export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree,
    context: { client },
    defaultPreload: false,
    defaultNotFoundComponent: NotFound,
    defaultErrorComponent: PageError,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
