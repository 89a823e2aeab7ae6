import { ExternalLinkAltIcon } from "@patternfly/react-icons/dist/esm/icons/external-link-alt-icon";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cveAddress } from "./eventText";

/** A link out of the console. Only `http` and `https` lead anywhere. */
export function Outside({ href, children }: { href: string; children: ReactNode }) {
  const { t } = useTranslation();
  if (!/^https?:\/\//i.test(href)) return <>{children}</>;
  return (
    <a href={href} target="_blank" rel="noreferrer noopener" className="skm-break">
      {children} <ExternalLinkAltIcon aria-hidden="true" className="skm-outside" />
      <span className="skm-hidden"> ({t("common.opensInNewTab")})</span>
    </a>
  );
}

/** CVE numbers with links to where they are described. */
export function Cves({ cves }: { cves: string[] }) {
  return (
    <>
      {cves.map((cve) => (
        <div key={cve} className="skm-cve">
          <Outside href={cveAddress(cve)}>{cve}</Outside>
        </div>
      ))}
    </>
  );
}
