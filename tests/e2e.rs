//! The promises that need programs of others: a real gateway, its dotenv, stock age tools.
//! A test whose program is missing fails and names `tests/run`, which installs it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "e2e/capture.rs"]
mod capture;
#[path = "e2e/connect.rs"]
mod connect;
#[path = "e2e/connect_json.rs"]
mod connect_json;
#[path = "e2e/current.rs"]
mod current;
#[path = "e2e/dotenv.rs"]
mod dotenv;
#[path = "e2e/gateway.rs"]
mod gateway;
#[path = "e2e/manager.rs"]
mod manager;
#[path = "e2e/oauth.rs"]
mod oauth;
#[path = "e2e/place.rs"]
mod place;
#[path = "e2e/places.rs"]
mod places;
#[path = "e2e/plugin.rs"]
mod plugin;
#[path = "e2e/provider.rs"]
mod provider;
#[path = "e2e/session.rs"]
mod session;
#[path = "e2e/sqlite.rs"]
mod sqlite;
#[path = "e2e/stock_age.rs"]
mod stock_age;
#[path = "e2e/tools.rs"]
mod tools;
#[path = "e2e/two.rs"]
mod two;
#[path = "e2e/vault.rs"]
mod vault;
#[path = "e2e/wired.rs"]
mod wired;
