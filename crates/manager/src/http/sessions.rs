//! Logging in and out.
use sakimori_api::{Credentials, PasswordChange, Session, User, Page};

/// Logs in: sets the session cookie.
#[utoipa::path(post, path = "/sessions", tag = "sessions", operation_id = "logIn", request_body = Credentials,
    responses((status = 201, body = Session)), security(()))]
pub(super) async fn log_in() {}

/// The session that the cookie names.
#[utoipa::path(get, path = "/sessions/current", tag = "sessions", operation_id = "getCurrentSession",
    responses((status = 200, body = Session)))]
pub(super) async fn current() {}

/// Logs out.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions", operation_id = "logOut",
    responses((status = 204)))]
pub(super) async fn log_out() {}

/// The users.
#[utoipa::path(get, path = "/users", tag = "users", operation_id = "listUsers", params(super::ListQuery),
    responses((status = 200, body = Page<User>)))]
pub(super) async fn users() {}

/// Changes one's own password and ends one's other sessions.
#[utoipa::path(post, path = "/users/current/password", tag = "users", operation_id = "changePassword",
    request_body = PasswordChange, responses((status = 204)))]
pub(super) async fn change_password() {}
