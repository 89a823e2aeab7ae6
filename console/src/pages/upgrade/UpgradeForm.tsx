import {
  Button,
  Checkbox,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { parseRings, upgradesQuery } from "../../api/upgrades";
import { SaveError } from "../../ui/states";

/** Begins a roll-out. */
export function UpgradeForm({ versions, onClose }: { versions: readonly string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [version, setVersion] = useState("");
  const [rings, setRings] = useState("1%, 10%, 100%");
  const [filter, setFilter] = useState("");
  const [healthyWithin, setHealthyWithin] = useState("600");
  const [wait, setWait] = useState("3600");
  const [haltAbove, setHaltAbove] = useState("10");
  const [rollBackOnHalt, setRollBackOnHalt] = useState(false);
  const parsed = parseRings(rings);
  const save = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/upgrades", {
          body: {
            name: name.trim(),
            version,
            plan: {
              rings: parsed ?? [],
              filter: filter.trim() === "" ? undefined : filter.trim(),
              healthyWithinSecs: Number(healthyWithin),
              waitSecs: Number(wait),
              haltAbovePercent: Number(haltAbove),
              rollBackOnHalt,
            },
          },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: upgradesQuery.queryKey });
      onClose();
    },
  });
  const numbers = [healthyWithin, wait, haltAbove].every((text) => /^\d+$/.test(text));
  const ready = name.trim() !== "" && version !== "" && parsed !== undefined && numbers;
  const number = (id: string, label: string, value: string, set: (value: string) => void) => (
    <FormGroup label={label} fieldId={id}>
      <TextInput id={id} inputMode="numeric" value={value} onChange={(_, text) => set(text)} />
    </FormGroup>
  );
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="upgrade-title">
      <ModalHeader title={t("upgrades.createTitle")} labelId="upgrade-title" />
      <ModalBody>
        <Form
          id="upgrade-form"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) save.mutate();
          }}
        >
          <FormGroup label={t("common.name")} fieldId="upgrade-name" isRequired>
            <TextInput id="upgrade-name" value={name} maxLength={128} onChange={(_, text) => setName(text)} />
          </FormGroup>
          <FormGroup label={t("upgrades.version")} fieldId="upgrade-version" isRequired>
            <FormSelect id="upgrade-version" value={version} onChange={(_, chosen) => setVersion(chosen)}>
              <FormSelectOption value="" label={t("upgrades.choose")} isPlaceholder />
              {versions.map((one) => (
                <FormSelectOption key={one} value={one} label={one} />
              ))}
            </FormSelect>
          </FormGroup>
          <FormGroup label={t("upgrades.rings")} fieldId="upgrade-rings" isRequired>
            <TextInput id="upgrade-rings" value={rings} onChange={(_, text) => setRings(text)} />
            <FormHelperText>
              <HelperText>
                <HelperTextItem variant={parsed === undefined ? "error" : "default"}>
                  {t("upgrades.ringsHint")}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
          <FormGroup label={t("upgrades.filter")} fieldId="upgrade-filter">
            <TextInput id="upgrade-filter" value={filter} onChange={(_, text) => setFilter(text)} />
          </FormGroup>
          {number("upgrade-healthy", t("upgrades.healthyWithin"), healthyWithin, setHealthyWithin)}
          {number("upgrade-wait", t("upgrades.wait"), wait, setWait)}
          {number("upgrade-halt", t("upgrades.haltAbove"), haltAbove, setHaltAbove)}
          <Checkbox
            id="upgrade-back"
            label={t("upgrades.rollBackOnHalt")}
            isChecked={rollBackOnHalt}
            onChange={(_, checked) => setRollBackOnHalt(checked)}
          />
          {save.isError && <SaveError error={save.error} />}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form="upgrade-form"
          isDisabled={!ready || save.isPending}
          isLoading={save.isPending}
        >
          {t("upgrades.begin")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
