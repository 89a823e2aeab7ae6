import {
  Breadcrumb,
  BreadcrumbItem,
  Content,
  PageBreadcrumb,
  PageSection,
  Title,
} from "@patternfly/react-core";
import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  title: string;
  /** Beside the title: a status. */
  beside?: ReactNode;
  /** Under the title: a sentence. */
  under?: ReactNode;
  actions?: ReactNode;
  parent?: { to: LinkProps["to"]; label: string };
}

/** Title of a page, also of the browser's window. */
export function PageHeading({ title, beside, under, actions, parent }: Props) {
  const { t } = useTranslation();
  useEffect(() => {
    document.title = t("app.pageTitle", { page: title });
  }, [t, title]);
  return (
    <>
      {parent && (
        <PageBreadcrumb>
          <Breadcrumb aria-label={t("common.breadcrumb")}>
            <BreadcrumbItem
              render={({ className, ariaCurrent }) => (
                <Link to={parent.to} className={className} aria-current={ariaCurrent}>
                  {parent.label}
                </Link>
              )}
            />
            <BreadcrumbItem isActive>{title}</BreadcrumbItem>
          </Breadcrumb>
        </PageBreadcrumb>
      )}
      <PageSection>
        <div className="skm-heading">
          <div className="skm-heading-title">
            <Title headingLevel="h1">{title}</Title>
            {beside}
          </div>
          {actions && <div className="skm-heading-actions">{actions}</div>}
        </div>
        {under && <Content component="p">{under}</Content>}
      </PageSection>
    </>
  );
}
