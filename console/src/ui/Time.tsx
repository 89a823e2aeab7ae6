import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "../format";

/** A time of day in full. */
export function Time({ at }: { at: string | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (at === null) return <>{t("common.never")}</>;
  return (
    <time dateTime={at} className="skm-nowrap">
      {format.time(at)}
    </time>
  );
}

/** How long ago something was; the full time on hover. */
export function Ago({ at }: { at: string | null }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const tick = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(tick);
  }, []);
  if (at === null) return <>{t("common.never")}</>;
  return (
    <time dateTime={at} title={format.time(at)} className="skm-nowrap">
      {format.ago(at, Math.max(now, Date.parse(at)))}
    </time>
  );
}
