import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { IntrusionDetail } from "../api/types";
import { fromBase64, type HexCell, hexRows, ROW_BYTES, textRuns } from "../bytes";

/** Neighbouring cells with the same mark, so that a match is one marked stretch. */
function stretches(cells: HexCell[]): { at: number; cells: HexCell[]; marked: boolean }[] {
  const result: { at: number; cells: HexCell[]; marked: boolean }[] = [];
  cells.forEach((cell, at) => {
    const last = result.at(-1);
    if (last !== undefined && last.marked === cell.marked) last.cells.push(cell);
    else result.push({ at, cells: [cell], marked: cell.marked });
  });
  return result;
}

function HexText({ cells, show }: { cells: HexCell[]; show: (cells: HexCell[]) => string }) {
  return (
    <>
      {stretches(cells).map((one, index) => (
        <span key={one.at}>
          {index > 0 && show === hexOf && " "}
          {one.marked ? <mark>{show(one.cells)}</mark> : show(one.cells)}
        </span>
      ))}
    </>
  );
}

const hexOf = (cells: HexCell[]) => cells.map((cell) => cell.hex).join(" ");
const asciiOf = (cells: HexCell[]) => cells.map((cell) => cell.ascii).join("");

/** The bytes around a match, with the match marked. */
export function Excerpt({ detail }: { detail: IntrusionDetail }) {
  const { t } = useTranslation();
  const [view, setView] = useState<"text" | "hex">("text");
  const bytes = useMemo(() => fromBase64(detail.excerpt), [detail.excerpt]);
  const base = Math.max(0, detail.offset - detail.excerptOffset);
  return (
    <div className="skm-excerpt">
      <ToggleGroup aria-label={t("event.view")} isCompact>
        <ToggleGroupItem
          text={t("event.asText")}
          isSelected={view === "text"}
          onChange={() => setView("text")}
        />
        <ToggleGroupItem
          text={t("event.asHex")}
          isSelected={view === "hex"}
          onChange={() => setView("hex")}
        />
      </ToggleGroup>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className="skm-bytes" tabIndex={0} aria-label={t("event.evidence")} lang="en">
        {view === "text" ? (
          <pre className="skm-bytes-text">
            {textRuns(bytes, detail.excerptOffset, detail.length).map((run) =>
              run.marked ? <mark key="marked">{run.text}</mark> : run.text,
            )}
          </pre>
        ) : (
          <pre>
            {hexRows(bytes, detail.excerptOffset, detail.length, base).map((row) => (
              <span key={row.offset}>
                <span className="skm-subtle">{row.offset.toString(16).padStart(6, "0")}</span>
                {"  "}
                <HexText cells={row.cells} show={hexOf} />
                {"   ".repeat(ROW_BYTES - row.cells.length)}
                {"  "}
                <HexText cells={row.cells} show={asciiOf} />
                {"\n"}
              </span>
            ))}
          </pre>
        )}
      </section>
      <p className="skm-subtle skm-small">
        {t("event.evidenceHint", { buffer: detail.buffer, offset: detail.offset, length: detail.length })}
      </p>
    </div>
  );
}
