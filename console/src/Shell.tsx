import {
  Badge,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  Nav,
  NavGroup,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { alertSummaryQuery } from "./api/alerts";
import { StreamProvider, useStreamConnected } from "./api/stream";
import logo from "./assets/logo.svg";
import { DisplayMenu } from "./ui/DisplayMenu";
import { UserMenu } from "./ui/UserMenu";

const MAIN = "main-content";

const PAGES = [
  {
    title: undefined,
    pages: [
      { to: "/", label: "nav.overview" },
      { to: "/computers", label: "nav.computers" },
      { to: "/groups", label: "fleet.groups" },
      { to: "/coverage", label: "fleet.coverage" },
      { to: "/events", label: "nav.events" },
      { to: "/alerts", label: "nav.alerts" },
      { to: "/searches", label: "searches.title" },
    ],
  },
  {
    title: "nav.protection",
    pages: [
      { to: "/policies", label: "nav.policies" },
      { to: "/lists", label: "nav.lists" },
      { to: "/rules", label: "nav.rules" },
    ],
  },
  {
    title: "nav.automation",
    pages: [
      { to: "/activation-tokens", label: "nav.tokens" },
      { to: "/event-based-tasks", label: "fleet.tasks" },
      { to: "/tasks", label: "nav.tasks" },
    ],
  },
  {
    title: "nav.administration",
    pages: [
      { to: "/channels", label: "nav.channels" },
      { to: "/upgrades", label: "upgrades.title" },
      { to: "/access", label: "access.title" },
      { to: "/fleet-settings", label: "fleetSettings.title" },
      { to: "/audit", label: "nav.audit" },
    ],
  },
] as const;

type NavPage = (typeof PAGES)[number]["pages"][number];

function StreamState() {
  const { t } = useTranslation();
  const connected = useStreamConnected();
  return (
    <span className="skm-stream" role="status" title={t(connected ? "live.connected" : "live.disconnected")}>
      <span className={connected ? "skm-dot skm-dot-on" : "skm-dot"} aria-hidden="true" />
      <span className="skm-stream-text">{t(connected ? "live.on" : "live.reconnecting")}</span>
    </span>
  );
}

/** How many alerts wait for somebody. */
function AlertCount() {
  const { t } = useTranslation();
  const { data } = useQuery(alertSummaryQuery);
  if (data === undefined || data.open === 0) return null;
  return (
    <Badge className="skm-nav-badge" screenReaderText={t("alerts.waiting", { count: data.open })}>
      {data.open > 999 ? "999+" : data.open}
    </Badge>
  );
}

function Navigation() {
  const { t } = useTranslation();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const item = ({ to, label }: NavPage) => (
    <NavItem key={to} itemId={to} isActive={to === "/" ? path === "/" : path.startsWith(to)}>
      <Link to={to}>
        {t(label)}
        {to === "/alerts" && <AlertCount />}
      </Link>
    </NavItem>
  );
  return (
    <Nav aria-label={t("app.navigation")}>
      {PAGES.map(({ title, pages }) =>
        title === undefined ? (
          <NavList key="first">{pages.map(item)}</NavList>
        ) : (
          <NavGroup key={title} title={t(title)}>
            {pages.map(item)}
          </NavGroup>
        ),
      )}
    </Nav>
  );
}

/** Whether the navigation would cover the page: below PatternFly's `xl` breakpoint. */
const narrow = () => window.innerWidth < 1200;

/** What every page after the log-in stands in. */
export function Shell() {
  const { t } = useTranslation();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [open, setOpen] = useState(() => !narrow());
  const shown = useRef(path);

  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    if (narrow()) setOpen(false);
    // The next Tab starts in the new page, and a screen reader says so.
    document.getElementById(MAIN)?.focus({ preventScroll: true });
  }, [path]);

  const masthead = (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton
            isHamburgerButton
            aria-label={t("app.toggleNavigation")}
            aria-expanded={open}
            isSidebarOpen={open}
            onSidebarToggle={() => setOpen(!open)}
            id="navigation-toggle"
          />
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo component={(props) => <Link {...props} to="/" />}>
            <span className="skm-brand">
              <img src={logo} alt="" width={32} height={32} />
              <span className="skm-brand-name">
                Sakimori <span className="skm-brand-kanji">防人</span>
              </span>
            </span>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isFullHeight isStatic>
          <ToolbarContent>
            <ToolbarGroup align={{ default: "alignEnd" }} gap={{ default: "gapSm" }}>
              <ToolbarItem>
                <StreamState />
              </ToolbarItem>
              <ToolbarItem>
                <DisplayMenu />
              </ToolbarItem>
              <ToolbarItem>
                <UserMenu />
              </ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );

  return (
    <StreamProvider>
      <Page
        masthead={masthead}
        sidebar={
          <PageSidebar isSidebarOpen={open}>
            <PageSidebarBody>
              <Navigation />
            </PageSidebarBody>
          </PageSidebar>
        }
        skipToContent={
          <SkipToContent
            href={`#${MAIN}`}
            onClick={(click) => {
              click.preventDefault();
              document.getElementById(MAIN)?.focus();
            }}
          >
            {t("app.skipToContent")}
          </SkipToContent>
        }
        mainContainerId={MAIN}
        mainTabIndex={-1}
      >
        <Outlet />
      </Page>
    </StreamProvider>
  );
}
