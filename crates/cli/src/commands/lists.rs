//! `sakimori lists`: lists that settings refer to as `list:NAME`.
use super::{NAMES_MAX, Out, fact, word};
use crate::client::Client;
use crate::command_line::policies::{ListKind, Lists};
use crate::problem::Failure;
use crate::table::{Table, shown};
use sakimori_api::{CommonObject, CommonObjectPatch, NewCommonObject, ObjectKind};

pub(super) async fn execute(out: Out, client: &Client, command: Lists) -> Result<(), Failure> {
    match command {
        Lists::List { kind } => {
            let filter: Vec<_> =
                kind.map(|kind| ("kind", kind_of(kind).as_str().to_owned())).into_iter().collect();
            let all: Vec<CommonObject> = client.list("/common-objects", &filter, NAMES_MAX).await?;
            out.show(&all, |all| {
                let mut table = Table::new(&["KIND", "NAME", "ITEMS", "USES", "ID"]);
                for list in all {
                    let items = list.items.join(", ");
                    let uses = list.used_by.len().to_string();
                    table.row([list.kind.as_str(), &list.name, &items, &uses, &list.id.to_string()]);
                }
                table.to_string()
            })
        }
        Lists::Show { list } => {
            let list: CommonObject = client.get(&path(client, &list).await?, &[]).await?;
            out.show(&list, text)
        }
        Lists::Create { kind, name, items, description } => {
            let new = NewCommonObject { kind: kind_of(kind), name, description, items };
            let made: CommonObject = client.post("/common-objects", &new).await?;
            out.show(&made, text)
        }
        Lists::Edit { list, name, description, items, add, remove } => {
            let path = path(client, &list).await?;
            let now: CommonObject = client.get(&path, &[]).await?;
            let mut items = if items.is_empty() { now.items } else { items };
            items.retain(|item| !remove.contains(item));
            for item in add {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            let patch = CommonObjectPatch { name, description, items: Some(items) };
            let changed: CommonObject = client.patch(&path, &now.etag, &patch).await?;
            out.show(&changed, text)
        }
        Lists::Delete { list } => {
            let path = path(client, &list).await?;
            let etag = client.etag(&path).await?;
            client.delete(&path, Some(&etag)).await?;
            out.done("Deleted.")
        }
    }
}

const fn kind_of(kind: ListKind) -> ObjectKind {
    match kind {
        ListKind::Addresses => ObjectKind::Addresses,
        ListKind::Ports => ObjectKind::Ports,
        ListKind::Macs => ObjectKind::Macs,
        ListKind::Interfaces => ObjectKind::Interfaces,
        ListKind::Files => ObjectKind::Files,
        ListKind::Folders => ObjectKind::Folders,
        ListKind::Extensions => ObjectKind::Extensions,
        ListKind::Schedule => ObjectKind::Schedule,
        ListKind::Context => ObjectKind::Context,
    }
}

/// The path of a list named by id, by name, or by kind and name: `ports:web`.
async fn path(client: &Client, text: &str) -> Result<String, Failure> {
    if let Ok(id) = text.parse::<uuid::Uuid>() {
        return Ok(format!("/common-objects/{id}"));
    }
    let all: Vec<CommonObject> = client.list("/common-objects", &[], NAMES_MAX).await?;
    let named = |list: &&CommonObject| {
        list.name == text || text.split_once(':') == Some((list.kind.as_str(), list.name.as_str()))
    };
    let mut found = all.iter().filter(named);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(format!("/common-objects/{}", one.id)),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "several lists are called '{text}': give the kind too, as ports:{text}"
        ))),
        _ => Err(Failure::NotFound(format!("no list is called '{text}': 'sakimori lists list' shows them"))),
    }
}

fn text(list: &CommonObject) -> String {
    let mut text = String::new();
    fact(&mut text, "Name", &shown(&list.name));
    fact(&mut text, "Kind", list.kind.as_str());
    fact(&mut text, "Id", &list.id.to_string());
    fact(&mut text, "Description", &shown(&list.description));
    for (index, item) in list.items.iter().enumerate() {
        fact(&mut text, if index == 0 { "Items" } else { "" }, &shown(item));
    }
    for (index, user) in list.used_by.iter().enumerate() {
        let words = format!("{} {} at {}", word(&user.kind), user.name, user.pointer);
        fact(&mut text, if index == 0 { "Used by" } else { "" }, &shown(&words));
    }
    text
}
