import { Checkbox } from "@patternfly/react-core";
import { Td, Th } from "@patternfly/react-table";
import { useTranslation } from "react-i18next";

/** Chooses all members that a table shows. PatternFly's own cell names its boxes in English only. */
export function ChooseAll({ all, onChoose }: { all: boolean; onChoose: (on: boolean) => void }) {
  const { t } = useTranslation();
  return (
    <Th modifier="fitContent">
      <Checkbox
        id="choose-all"
        aria-label={t("bulk.chooseAll")}
        isChecked={all}
        onChange={(_, on) => onChoose(on)}
      />
    </Th>
  );
}

/** Chooses one member of a table. */
export function Choose({
  id,
  name,
  chosen,
  onChoose,
}: {
  id: string;
  name: string;
  chosen: boolean;
  onChoose: (on: boolean) => void;
}) {
  const { t } = useTranslation();
  return (
    <Td modifier="fitContent">
      <Checkbox
        id={`choose-${id}`}
        aria-label={t("bulk.choose", { name })}
        isChecked={chosen}
        onChange={(_, on) => onChoose(on)}
      />
    </Td>
  );
}
