import {
  Button,
  Card,
  CardBody,
  CardTitle,
  Form,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Label,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ProblemError, take } from "../../api/client";
import { importRuleSet, ruleSetsQuery, type WafRuleSet } from "../../api/waf";
import { useFormat } from "../../format";
import { useMayChange } from "../../session";
import { Confirm } from "../../ui/Confirm";
import { Empty, LoadError, Loading, SaveError } from "../../ui/states";
import { Time } from "../../ui/Time";

function Findings({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const findings = error instanceof ProblemError ? error.problem.errors : [];
  return (
    <>
      <SaveError error={error} />
      {findings.length > 0 && (
        <ul aria-label={t("waf.findings")}>
          {findings.map((one, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes, and lines may be named twice
            <li key={index} className="skm-break">
              {one.message}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function ImportModal({ sets, onClose }: { sets: WafRuleSet[]; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [file, setFile] = useState<File>();
  const [name, setName] = useState("");
  const [base, setBase] = useState("");
  const save = useMutation({
    mutationFn: (chosen: File) => importRuleSet(chosen, name.trim(), base),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ruleSetsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="import-title">
      <ModalHeader title={t("waf.import")} labelId="import-title" />
      <ModalBody>
        <Form onSubmit={(submit) => submit.preventDefault()}>
          <FormGroup label={t("waf.file")} fieldId="waf-file" isRequired>
            <input
              id="waf-file"
              type="file"
              accept=".gz,.tgz,.tar,.zip,.conf"
              onChange={(event) => setFile(event.target.files?.[0])}
            />
          </FormGroup>
          <FormGroup label={t("waf.name")} fieldId="waf-name">
            <TextInput
              id="waf-name"
              value={name}
              maxLength={128}
              onChange={(_event, text) => setName(text)}
            />
            <FormHelperText>
              <HelperText>
                <HelperTextItem>{t("waf.nameHint")}</HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
          {sets.length > 0 && (
            <FormGroup label={t("waf.base")} fieldId="waf-base">
              <FormSelect id="waf-base" value={base} onChange={(_event, id) => setBase(id)}>
                <FormSelectOption value="" label={t("waf.baseNone")} />
                {sets.map((set) => (
                  <FormSelectOption key={set.id} value={set.id} label={set.name} />
                ))}
              </FormSelect>
            </FormGroup>
          )}
        </Form>
        {save.error && <Findings error={save.error} />}
      </ModalBody>
      <ModalFooter>
        <Button
          isDisabled={file === undefined || save.isPending}
          isLoading={save.isPending}
          onClick={() => file && save.mutate(file)}
        >
          {t("waf.import")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function SetsTable({
  sets,
  onDelete,
}: {
  sets: WafRuleSet[];
  onDelete: ((set: WafRuleSet) => void) | undefined;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Table aria-label={t("waf.ruleSets")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("waf.name")}</Th>
          <Th>{t("waf.version")}</Th>
          <Th>{t("waf.rules")}</Th>
          <Th>{t("waf.policies")}</Th>
          <Th>{t("waf.imported")}</Th>
          {onDelete && <Th screenReaderText={t("common.actions")} />}
        </Tr>
      </Thead>
      <Tbody>
        {sets.map((set) => (
          <Tr key={set.id}>
            <Td dataLabel={t("waf.name")}>
              <span className="skm-break">{set.name}</span>{" "}
              {set.warnings.length > 0 && (
                <Label isCompact status="warning">
                  {t("waf.warnings", { count: set.warnings.length })}
                </Label>
              )}
            </Td>
            <Td dataLabel={t("waf.version")}>{set.version}</Td>
            <Td dataLabel={t("waf.rules")}>{format.number(set.rules)}</Td>
            <Td dataLabel={t("waf.policies")}>{set.policies.join(", ")}</Td>
            <Td dataLabel={t("waf.imported")}>
              <Time at={set.importedAt} />
            </Td>
            {onDelete && (
              <Td isActionCell>
                <Button variant="link" isDanger isInline onClick={() => onDelete(set)}>
                  {t("common.delete")}
                </Button>
              </Td>
            )}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** The rule sets of the web application firewall. */
export function WafRuleSets() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(ruleSetsQuery);
  const [importing, setImporting] = useState(false);
  const [doomed, setDoomed] = useState<WafRuleSet>();
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/v1/waf-rule-sets/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      setDoomed(undefined);
      await client.invalidateQueries({ queryKey: ruleSetsQuery.queryKey });
    },
  });
  const sets = query.data?.items;
  return (
    <Card className="skm-gap-below">
      <CardTitle component="h2">{t("waf.ruleSets")}</CardTitle>
      <CardBody>
        <p className="skm-subtle skm-gap-below">{t("waf.ruleSetsHint")}</p>
        {sets === undefined &&
          (query.isError ? (
            <LoadError error={query.error} onRetry={() => void query.refetch()} />
          ) : (
            <Loading />
          ))}
        {sets !== undefined && sets.length > 0 && (
          <SetsTable sets={sets} onDelete={mayChange ? setDoomed : undefined} />
        )}
        {sets?.length === 0 && <Empty title={t("waf.none")}>{t("waf.noneBody")}</Empty>}
        {mayChange && (
          <Button variant="secondary" onClick={() => setImporting(true)}>
            {t("waf.import")}
          </Button>
        )}
        {importing && <ImportModal sets={sets ?? []} onClose={() => setImporting(false)} />}
        {doomed && (
          <Confirm
            title={t("waf.deleteTitle", { name: doomed.name })}
            confirm={t("common.delete")}
            pending={remove.isPending}
            error={remove.error}
            onConfirm={() => remove.mutate(doomed.id)}
            onClose={() => {
              remove.reset();
              setDoomed(undefined);
            }}
          >
            {t("waf.deleteBody")}
          </Confirm>
        )}
      </CardBody>
    </Card>
  );
}
