import {
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  PageSection,
} from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";

/** For an address that leads nowhere. */
export function NotFound() {
  const { t } = useTranslation();
  return (
    <PageSection>
      <EmptyState headingLevel="h1" titleText={t("error.notFoundTitle")}>
        <EmptyStateBody>{t("error.notFoundBody")}</EmptyStateBody>
        <EmptyStateFooter>
          <EmptyStateActions>
            <Link to="/">{t("error.backToOverview")}</Link>
          </EmptyStateActions>
        </EmptyStateFooter>
      </EmptyState>
    </PageSection>
  );
}
