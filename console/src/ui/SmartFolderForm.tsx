import {
  Button,
  Form,
  FormGroup,
  FormHelperText,
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
import { api, take } from "../api/client";
import { smartFoldersQuery } from "../api/fleet";
import { SaveError } from "./states";

/** Keeps a search of computers. */
export function SmartFolderForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [filter, setFilter] = useState("");
  const create = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/saved-searches", {
          body: { name: name.trim(), subject: "computers", filter, shared: false },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: smartFoldersQuery.queryKey });
      onClose();
    },
  });
  const ready = name.trim() !== "" && filter.trim() !== "";
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="folder-title">
      <ModalHeader title={t("fleet.createFolder")} labelId="folder-title" />
      <ModalBody>
        <Form
          id="folder-form"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) create.mutate();
          }}
        >
          {create.isError && <SaveError error={create.error} />}
          <FormGroup label={t("common.name")} isRequired fieldId="folder-name">
            <TextInput
              id="folder-name"
              isRequired
              maxLength={128}
              value={name}
              onChange={(_, value) => setName(value)}
            />
          </FormGroup>
          <FormGroup label={t("fleet.folderFilter")} isRequired fieldId="folder-filter">
            <TextInput
              id="folder-filter"
              isRequired
              maxLength={4096}
              value={filter}
              aria-describedby="folder-hint"
              onChange={(_, value) => setFilter(value)}
            />
            <FormHelperText>
              <HelperText id="folder-hint">
                <HelperTextItem>{t("fleet.folderHint")}</HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form="folder-form"
          isDisabled={!ready || create.isPending}
          isLoading={create.isPending}
        >
          {t("common.save")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
