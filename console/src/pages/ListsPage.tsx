import {
  Button,
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
  PageSection,
  TextArea,
  TextInput,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { listsQuery, policyChanged } from "../api/queries";
import { type CommonObject, LIST_KINDS, type ListKind } from "../api/types";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";

/** Items that a row names; the dialog shows all. */
const SHOWN = 8;

function Uses({ list }: { list: CommonObject }) {
  const { t } = useTranslation();
  const users = new Map(list.usedBy.map((user) => [user.id, user]));
  if (users.size === 0) return <span className="skm-subtle">{t("lists.unused")}</span>;
  return [...users.values()].map((user) => (
    <div key={user.id}>
      {user.kind === "computer" ? (
        <Link to="/computers/$computerId" params={{ computerId: user.id }} search={{ tab: "settings" }}>
          {user.name}
        </Link>
      ) : (
        <Link to="/policies/$policyId" params={{ policyId: user.id }}>
          {user.name}
        </Link>
      )}
    </div>
  ));
}

/** Makes a list, or changes one. */
function ListModal({ list, onClose }: { list?: CommonObject; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [kind, setKind] = useState<ListKind>(list?.kind ?? "addresses");
  const [name, setName] = useState(list?.name ?? "");
  const [description, setDescription] = useState(list?.description ?? "");
  const [typed, setTyped] = useState(list?.items.join("\n") ?? "");
  const items = typed
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const save = useMutation({
    mutationFn: () =>
      list === undefined
        ? take(api.POST("/api/v1/common-objects", { body: { kind, name: name.trim(), description, items } }))
        : take(
            api.PATCH("/api/v1/common-objects/{id}", {
              params: { path: { id: list.id }, header: { "If-Match": list.etag } },
              body: { name: name.trim(), description, items },
            }),
          ),
    onSuccess: async () => {
      await policyChanged(client);
      onClose();
    },
  });
  const renames = list !== undefined && list.usedBy.length > 0 && name.trim() !== list.name;
  const ready = name.trim() !== "" && items.length > 0 && !save.isPending;
  const title = list === undefined ? t("lists.create") : t("lists.edit", { name: list.name });
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="list-title">
      <ModalHeader title={title} labelId="list-title" />
      <ModalBody>
        <Form
          id="list-form"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (ready) save.mutate();
          }}
        >
          {save.isError && <SaveError error={save.error} />}
          <FormGroup label={t("lists.kind")} fieldId="list-kind">
            <FormSelect
              id="list-kind"
              isDisabled={list !== undefined}
              value={kind}
              onChange={(_, chosen) => setKind(LIST_KINDS.find((one) => one === chosen) ?? kind)}
            >
              {LIST_KINDS.map((one) => (
                <FormSelectOption key={one} value={one} label={t(`lists.kinds.${one}`)} />
              ))}
            </FormSelect>
          </FormGroup>
          <FormGroup label={t("common.name")} isRequired fieldId="list-name">
            <TextInput
              id="list-name"
              isRequired
              maxLength={128}
              value={name}
              aria-describedby={renames ? "list-name-hint" : undefined}
              onChange={(_, value) => setName(value)}
            />
            {renames && (
              <FormHelperText>
                <HelperText id="list-name-hint">
                  <HelperTextItem>{t("lists.renameHint")}</HelperTextItem>
                </HelperText>
              </FormHelperText>
            )}
          </FormGroup>
          <FormGroup label={t("common.description")} fieldId="list-description">
            <TextInput
              id="list-description"
              maxLength={1024}
              value={description}
              onChange={(_, value) => setDescription(value)}
            />
          </FormGroup>
          <FormGroup label={t("lists.items")} isRequired fieldId="list-items">
            <TextArea
              id="list-items"
              isRequired
              rows={8}
              resizeOrientation="vertical"
              aria-describedby="list-items-hint"
              value={typed}
              onChange={(_, value) => setTyped(value)}
            />
            <FormHelperText>
              <HelperText id="list-items-hint">
                <HelperTextItem>
                  {t("lists.itemsHint")} {t(`lists.hints.${kind}`)}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="list-form" isDisabled={!ready} isLoading={save.isPending}>
          {t("common.save")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function ListsTable({
  lists,
  onEdit,
  onDelete,
}: {
  lists: CommonObject[];
  onEdit?: (list: CommonObject) => void;
  onDelete?: (list: CommonObject) => void;
}) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t("lists.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("common.name")}</Th>
          <Th>{t("lists.kind")}</Th>
          <Th>{t("lists.items")}</Th>
          <Th>{t("lists.uses")}</Th>
          {onEdit && <Th screenReaderText={t("common.actions")} />}
        </Tr>
      </Thead>
      <Tbody>
        {lists.map((list) => (
          <Tr key={list.id}>
            <Td dataLabel={t("common.name")}>
              <span className="skm-break">{list.name}</span>
              <div className="skm-subtle skm-small">{list.description}</div>
            </Td>
            <Td dataLabel={t("lists.kind")}>{t(`lists.kinds.${list.kind}`)}</Td>
            <Td dataLabel={t("lists.items")}>
              <span className="skm-break">
                {list.items.slice(0, SHOWN).join(", ")}
                {list.items.length > SHOWN && ` … (${list.items.length})`}
              </span>
            </Td>
            <Td dataLabel={t("lists.uses")}>
              <Uses list={list} />
            </Td>
            {onEdit && onDelete && (
              <Td dataLabel={t("common.actions")}>
                <span className="skm-heading-title">
                  <Button
                    variant="link"
                    isInline
                    aria-label={t("policy.editOf", { name: list.name })}
                    onClick={() => onEdit(list)}
                  >
                    {t("policy.edit")}
                  </Button>
                  {list.usedBy.length === 0 && (
                    <Button
                      variant="link"
                      isInline
                      isDanger
                      aria-label={t("policy.removeOf", { name: list.name })}
                      onClick={() => onDelete(list)}
                    >
                      {t("policy.remove")}
                    </Button>
                  )}
                </span>
              </Td>
            )}
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** The lists that policies refer to by name. */
export function ListsPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(listsQuery);
  const [editing, setEditing] = useState<CommonObject | "new">();
  const [deleting, setDeleting] = useState<CommonObject>();
  const remove = useMutation({
    mutationFn: (list: CommonObject) =>
      take(
        api.DELETE("/api/v1/common-objects/{id}", {
          params: { path: { id: list.id }, header: { "If-Match": list.etag } },
        }),
      ),
    onSuccess: async () => {
      setDeleting(undefined);
      await policyChanged(client);
    },
  });
  const create = mayChange && <Button onClick={() => setEditing("new")}>{t("lists.create")}</Button>;

  let lists = <Loading />;
  if (query.data !== undefined && query.data.length > 0) {
    lists = (
      <ListsTable
        lists={query.data}
        onEdit={mayChange ? setEditing : undefined}
        onDelete={mayChange ? setDeleting : undefined}
      />
    );
  } else if (query.isError) {
    lists = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess) {
    lists = (
      <Empty title={t("lists.emptyTitle")} action={create}>
        {t("lists.emptyBody")}
      </Empty>
    );
  }
  return (
    <>
      <PageHeading title={t("lists.title")} under={t("lists.about")} actions={create} />
      <PageSection>{lists}</PageSection>
      {editing && (
        <ListModal list={editing === "new" ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
      {deleting && (
        <Confirm
          title={t("lists.deleteTitle", { name: deleting.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(deleting)}
          onClose={() => {
            remove.reset();
            setDeleting(undefined);
          }}
        >
          {t("lists.deleteBody")}
        </Confirm>
      )}
    </>
  );
}
