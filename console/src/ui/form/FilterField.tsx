import { Button } from "@patternfly/react-core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { api, ProblemError, take } from "../../api/client";
import { useFormat } from "../../format";
import { fieldErrorText } from "../problemText";
import { ErrorText } from "../states";
import { AreaField } from "./fields";

const HOURS = 24;

interface Props {
  id: string;
  label: string;
  pointer: string;
  value: string;
  hint?: ReactNode;
  required?: boolean;
  /** What else the trial says of what was found; the events of the last day are counted by the hour. */
  found?: (counts: { from: string; count: number }[]) => ReactNode;
  onChange: (value: string) => void;
}

/** A filter of events, and a trial of it over the last day. */
export function FilterField({ id, label, pointer, value, hint, required, found, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const trial = useMutation({
    mutationFn: () =>
      take(
        api.GET("/api/v1/events/counts", {
          params: {
            query: {
              filter: value.trim() || undefined,
              interval: "1h",
              from: new Date(Date.now() - HOURS * 3_600_000).toISOString(),
            },
          },
        }),
      ),
  });
  // What was found is of the filter that was tried.
  const { reset } = trial;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the filter's text is what it follows
  useEffect(() => reset(), [value, reset]);
  const total = trial.data?.counts.reduce((sum, one) => sum + one.count, 0) ?? 0;
  return (
    <div>
      <AreaField
        id={id}
        label={label}
        pointer={pointer}
        rows={2}
        maxLength={4096}
        hint={hint ?? t("form.filterHint")}
        required={required}
        value={value}
        onChange={onChange}
      />
      <div className="skm-trial">
        <Button
          variant="secondary"
          size="sm"
          isLoading={trial.isPending}
          isDisabled={trial.isPending || (required === true && value.trim() === "")}
          onClick={() => trial.mutate()}
        >
          {t("form.tryFilter")}
        </Button>
        <div role="status" className="skm-small">
          {trial.data && (
            <>
              {t("form.filterFinds", { count: total, number: format.number(total) })}{" "}
              {total > 0 && (
                <Link
                  to="/events"
                  search={{ filter: value.trim() || undefined, period: "day" }}
                  target="_blank"
                >
                  {t("form.showEvents")}
                </Link>
              )}
              {found && <div>{found(trial.data.counts)}</div>}
            </>
          )}
          {trial.error instanceof ProblemError && trial.error.problem.errors.length > 0
            ? trial.error.problem.errors.map((error) => (
                <p key={error.message} className="skm-worrying">
                  {fieldErrorText(error, i18n.language)}
                </p>
              ))
            : trial.isError && <ErrorText error={trial.error} />}
        </div>
      </div>
    </div>
  );
}
