import {
  Alert,
  Bullseye,
  Button,
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  List,
  ListItem,
  PageSection,
  Spinner,
} from "@patternfly/react-core";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { SearchIcon } from "@patternfly/react-icons/dist/esm/icons/search-icon";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { NetworkError, ProblemError } from "../api/client";
import { fieldErrorText, problemText } from "./problemText";

/** What went wrong, in words: the manager's own where it refused. */
export function ErrorText({ error }: { error: unknown }) {
  const { t, i18n } = useTranslation();
  if (error instanceof ProblemError) {
    const { problem } = error;
    const { title, detail } = problemText(problem, i18n.language);
    return (
      <>
        <p>
          <strong>{title}</strong>
        </p>
        {detail !== "" && <p>{detail}</p>}
        {problem.errors.length > 0 && (
          <List>
            {problem.errors.map((one) => (
              <ListItem key={`${one.pointer} ${one.code}`}>
                <code>{one.pointer}</code> {fieldErrorText(one, i18n.language)}
              </ListItem>
            ))}
          </List>
        )}
        {problem.requestId !== "" && (
          <p className="skm-subtle">{t("error.requestId", { id: problem.requestId })}</p>
        )}
      </>
    );
  }
  return <p>{t(error instanceof NetworkError ? "error.network" : "error.unexpected")}</p>;
}

/** In place of something that could not be loaded. */
export function LoadError({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  return (
    <EmptyState
      status="danger"
      headingLevel="h2"
      icon={ExclamationCircleIcon}
      titleText={t("error.title")}
      variant="sm"
    >
      <EmptyStateBody>
        <ErrorText error={error} />
      </EmptyStateBody>
      {onRetry && (
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button variant="primary" onClick={onRetry}>
              {t("common.retry")}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** Beside something that could not be saved. */
export function SaveError({ error, title }: { error: unknown; title?: string }) {
  const { t } = useTranslation();
  return (
    <Alert variant="danger" isInline title={title ?? t("error.saveTitle")} component="h2" role="alert">
      <ErrorText error={error} />
    </Alert>
  );
}

/** While something is loaded. */
export function Loading() {
  const { t } = useTranslation();
  return (
    <Bullseye className="skm-loading">
      <Spinner aria-label={t("common.loading")} size="lg" />
    </Bullseye>
  );
}

/** In place of a list that the filters leave nothing of. */
export function NoMatch({ onClear }: { onClear?: () => void }) {
  const { t } = useTranslation();
  return (
    <EmptyState headingLevel="h2" icon={SearchIcon} titleText={t("common.noMatch")} variant="sm">
      <EmptyStateBody>{t("common.noMatchHint")}</EmptyStateBody>
      {onClear && (
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button variant="link" onClick={onClear}>
              {t("common.clearFilters")}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** In place of a list that has nothing yet. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <EmptyState headingLevel="h2" titleText={title} variant="sm">
      <EmptyStateBody>{children}</EmptyStateBody>
      {action && (
        <EmptyStateFooter>
          <EmptyStateActions>{action}</EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** In place of a page that failed while it was shown. */
export function PageError({ error, reset }: { error: unknown; reset?: () => void }) {
  const { t } = useTranslation();
  return (
    <PageSection>
      <EmptyState
        status="danger"
        headingLevel="h1"
        icon={ExclamationCircleIcon}
        titleText={t("error.crashTitle")}
      >
        <EmptyStateBody>
          <ErrorText error={error} />
        </EmptyStateBody>
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button
              onClick={() => {
                reset?.();
                window.location.reload();
              }}
            >
              {t("common.retry")}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      </EmptyState>
    </PageSection>
  );
}
