import { useTranslation } from "react-i18next";
import { useFormat } from "../format";

/** How much an event matters; those that are older than ranks have none. */
export function Rank({ rank }: { rank: number }) {
  const { t } = useTranslation();
  const { number } = useFormat();
  return rank === 0 ? <span title={t("events.unranked")}>–</span> : number(rank);
}
