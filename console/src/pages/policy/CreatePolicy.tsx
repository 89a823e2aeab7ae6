import {
  Button,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Radio,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../../api/client";
import { policiesQuery, policyChanged } from "../../api/queries";
import type { Policy } from "../../api/types";
import { ownSettings } from "../../policyDraft";
import { SaveError } from "../../ui/states";

type Kind = "child" | "copy" | "root";

const KINDS = [
  { kind: "child", label: "policy.kindChild" },
  { kind: "copy", label: "policy.kindCopy" },
  { kind: "root", label: "policy.kindRoot" },
] as const;

interface Props {
  kind: Kind;
  /** The policy to start from. */
  base?: Policy;
  onClose: () => void;
}

/** What a new policy takes from another one. */
function startFrom(kind: Kind, base: Policy | undefined) {
  if (base === undefined || kind === "root") return {};
  if (kind === "child") return { parentId: base.id };
  return { parentId: base.parentId, settings: ownSettings(base) };
}

/** Makes a policy: a child or copy of another one, or one from the defaults. */
export function CreatePolicy({ kind: firstKind, base, onClose }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data: policies = [] } = useQuery(policiesQuery);
  const [kind, setKind] = useState<Kind>(firstKind);
  const [baseId, setBaseId] = useState(base?.id);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const chosen = policies.find((policy) => policy.id === baseId) ?? base ?? policies[0];

  const create = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/policies", {
          body: { name: name.trim(), description: description.trim(), ...startFrom(kind, chosen) },
        }),
      ),
    onSuccess: async (policy) => {
      await policyChanged(client, policy);
      onClose();
      await navigate({ to: "/policies/$policyId", params: { policyId: policy.id } });
    },
  });
  const ready = name.trim() !== "" && !create.isPending;

  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="create-policy-title">
      <ModalHeader title={t("policy.createTitle")} labelId="create-policy-title" />
      <ModalBody>
        <Form
          id="create-policy"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) create.mutate();
          }}
        >
          {create.isError && <SaveError error={create.error} />}
          <FormGroup label={t("common.name")} isRequired fieldId="policy-name">
            <TextInput
              id="policy-name"
              isRequired
              maxLength={128}
              value={name}
              onChange={(_, value) => setName(value)}
            />
          </FormGroup>
          <FormGroup label={t("common.description")} fieldId="policy-description">
            <TextArea
              id="policy-description"
              maxLength={1024}
              value={description}
              resizeOrientation="vertical"
              onChange={(_, value) => setDescription(value)}
            />
          </FormGroup>
          <FormGroup label={t("policy.kind")} role="radiogroup" fieldId="policy-kind" isStack>
            {KINDS.map((one) => (
              <Radio
                key={one.kind}
                id={`policy-kind-${one.kind}`}
                name="policy-kind"
                label={t(one.label)}
                isChecked={kind === one.kind}
                onChange={() => setKind(one.kind)}
              />
            ))}
          </FormGroup>
          {kind !== "root" && (
            <FormGroup label={t("policy.base")} fieldId="policy-base">
              <FormSelect id="policy-base" value={chosen?.id ?? ""} onChange={(_, value) => setBaseId(value)}>
                {policies.map((policy) => (
                  <FormSelectOption key={policy.id} value={policy.id} label={policy.name} />
                ))}
              </FormSelect>
            </FormGroup>
          )}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="create-policy" isDisabled={!ready} isLoading={create.isPending}>
          {t("common.create")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
