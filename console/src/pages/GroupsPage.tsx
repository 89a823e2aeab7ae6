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
  PageSection,
  TextInput,
} from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "../api/client";
import { type ComputerGroup, groupsQuery, treeOf } from "../api/fleet";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { Confirm } from "../ui/Confirm";
import { PageHeading } from "../ui/PageHeading";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";

function CreateGroup({ groups, onClose }: { groups: ComputerGroup[]; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [parentId, setParentId] = useState("");
  const create = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/computer-groups", {
          body: { name: name.trim(), description: "", parentId: parentId === "" ? null : parentId },
        }),
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: groupsQuery.queryKey });
      onClose();
    },
  });
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="group-title">
      <ModalHeader title={t("fleet.createGroup")} labelId="group-title" />
      <ModalBody>
        <Form
          id="group-form"
          onSubmit={(submit) => {
            submit.preventDefault();
            if (name.trim() !== "") create.mutate();
          }}
        >
          {create.isError && <SaveError error={create.error} />}
          <FormGroup label={t("common.name")} isRequired fieldId="group-name">
            <TextInput
              id="group-name"
              isRequired
              maxLength={128}
              value={name}
              onChange={(_, value) => setName(value)}
            />
          </FormGroup>
          <FormGroup label={t("fleet.parent")} fieldId="group-parent">
            <FormSelect id="group-parent" value={parentId} onChange={(_, value) => setParentId(value)}>
              <FormSelectOption value="" label={t("fleet.top")} />
              {treeOf(groups).map(({ group, depth }) => (
                <FormSelectOption
                  key={group.id}
                  value={group.id}
                  label={`${"\u2003".repeat(depth)}${group.name}`}
                />
              ))}
            </FormSelect>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form="group-form"
          isDisabled={name.trim() === "" || create.isPending}
          isLoading={create.isPending}
        >
          {t("common.create")}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t("common.cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

/** The tree of groups. */
export function GroupsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(groupsQuery);
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<ComputerGroup>();
  const remove = useMutation({
    mutationFn: (id: string) =>
      take(api.DELETE("/api/v1/computer-groups/{id}", { params: { path: { id } } })),
    onSuccess: async () => {
      setDeleting(undefined);
      await client.invalidateQueries({ queryKey: groupsQuery.queryKey });
    },
  });
  const create = mayChange && <Button onClick={() => setCreating(true)}>{t("fleet.createGroup")}</Button>;
  let list = <Loading />;
  if (query.data !== undefined && query.data.length > 0) {
    list = (
      <Table aria-label={t("fleet.groups")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("common.name")}</Th>
            <Th>{t("fleet.computers")}</Th>
            <Th>{t("common.description")}</Th>
            {mayChange && <Th screenReaderText={t("common.actions")} />}
          </Tr>
        </Thead>
        <Tbody>
          {treeOf(query.data).map(({ group, depth }) => (
            <Tr key={group.id}>
              <Td dataLabel={t("common.name")}>
                {"\u2003".repeat(depth)}
                <Link to="/computers" search={{ groupId: group.id }} className="skm-break">
                  {group.name}
                </Link>
              </Td>
              <Td dataLabel={t("fleet.computers")}>{format.number(group.computers)}</Td>
              <Td dataLabel={t("common.description")}>{group.description}</Td>
              {mayChange && (
                <Td isActionCell>
                  <Button variant="link" isInline isDanger onClick={() => setDeleting(group)}>
                    {t("common.delete")}
                  </Button>
                </Td>
              )}
            </Tr>
          ))}
        </Tbody>
      </Table>
    );
  } else if (query.isError) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess) {
    list = (
      <Empty title={t("fleet.groupsEmpty")} action={create}>
        {t("fleet.groupsEmptyBody")}
      </Empty>
    );
  }
  return (
    <>
      <PageHeading title={t("fleet.groups")} actions={create} />
      <PageSection>{list}</PageSection>
      {creating && <CreateGroup groups={query.data ?? []} onClose={() => setCreating(false)} />}
      {deleting && (
        <Confirm
          title={t("fleet.deleteGroupTitle", { name: deleting.name })}
          confirm={t("common.delete")}
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(deleting.id)}
          onClose={() => {
            remove.reset();
            setDeleting(undefined);
          }}
        >
          {t("fleet.deleteGroupBody")}
        </Confirm>
      )}
    </>
  );
}
