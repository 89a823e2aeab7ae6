import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { coverageQuery } from "../../api/fleet";
import { STATUSES } from "../../api/types";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { StatusLabel } from "../../ui/labels";
import { Answer, Part } from "./Part";

/** Computers by how they are. */
export function ComputersByStatus() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(coverageQuery);
  return (
    <Part title={t("overview.computersByStatus")}>
      <Answer query={query}>
        {({ statuses }) => (
          <ul className="skm-matters">
            <li>
              <Link to="/computers">{t("dashboard.allComputers")}</Link>
              <strong>{format.number(Object.values(statuses).reduce((sum, count) => sum + count, 0))}</strong>
            </li>
            {STATUSES.filter((status) => status === "online" || (statuses[status] ?? 0) > 0).map((status) => (
              <li key={status}>
                <Link to="/computers" search={{ status }} className="skm-status-link">
                  <StatusLabel status={status} />
                </Link>
                <strong>{format.number(statuses[status] ?? 0)}</strong>
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Part>
  );
}

const STATES = ["full", "partial", "none", "unknown"] as const;

/** How much of the fleet each module protects. */
export function CoverageByModule() {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useQuery(coverageQuery);
  return (
    <Part title={t("dashboard.coverage")} actions={<Link to="/coverage">{t("dashboard.why")}</Link>}>
      <Answer query={query}>
        {({ modules, computers }) => (
          <ul className="skm-bars">
            {modules.map((one) => (
              <li key={one.module}>
                <div className="skm-top-line">
                  <span>{textOfCode("module", one.module)}</span>
                  <span className="skm-nowrap">
                    {t("dashboard.protected", {
                      percent: computers === 0 ? 0 : Math.floor((100 * one.full) / computers),
                    })}
                  </span>
                </div>
                <div
                  className="skm-share"
                  role="img"
                  aria-label={STATES.map(
                    (state) => `${t(`fleet.state.${state}`)}: ${format.number(one[state])}`,
                  ).join(t("common.listComma"))}
                >
                  {STATES.filter((state) => one[state] > 0).map((state) => (
                    <svg
                      key={state}
                      className={`skm-share-${state}`}
                      width={`${(100 * one[state]) / Math.max(1, computers)}%`}
                      height="100%"
                      aria-hidden="true"
                    >
                      <title>{`${t(`fleet.state.${state}`)}: ${format.number(one[state])}`}</title>
                      <rect width="100%" height="100%" />
                    </svg>
                  ))}
                </div>
              </li>
            ))}
          </ul>
        )}
      </Answer>
    </Part>
  );
}
