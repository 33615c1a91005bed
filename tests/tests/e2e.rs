//! Everything end to end: real uWSGI, real Django, real Redis, each test on both topologies. One module, one
//! topic.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that panics has failed

// Connections, framing, streaming, timeouts.
#[path = "e2e/http.rs"]
mod http;
// Crowds that come and go.
#[path = "e2e/storms.rs"]
mod storms;
// HTTP/2 towards clients: the same answers, strictness, limits, drain.
#[path = "e2e/http2.rs"]
mod http2;
// TLS towards clients: certificates, protocols, reload.
#[path = "e2e/tls.rs"]
mod tls;
// The live page in a browser.
#[path = "e2e/live_page.rs"]
mod live_page;
// Certificates that come by themselves, from a real authority.
#[path = "e2e/acme.rs"]
mod acme;
// Mutual TLS between the services.
#[path = "e2e/tls_within.rs"]
mod tls_within;
// What clients may send, how long they may take, and what they get.
#[path = "e2e/front.rs"]
mod front;
// Pools that lead back to their own edge.
#[path = "e2e/loops.rs"]
mod loops;
// Behind other proxies.
#[path = "e2e/proxies.rs"]
mod proxies;
// Malformed and ambiguous requests.
#[path = "e2e/strict.rs"]
mod strict;
// What the application sees, and what becomes of its replies.
#[path = "e2e/uwsgi.rs"]
mod uwsgi;
// The variables of a request, key by key as nginx sends them.
#[path = "e2e/environ.rs"]
mod environ;
// Application servers by HTTP, FastCGI and gunicorn's uwsgi.
#[path = "e2e/servers.rs"]
mod servers;
// What the log says of an application that is dead, or speaks another protocol.
#[path = "e2e/troubles.rs"]
mod troubles;
// nginx's command line over an nginx.conf.
#[path = "e2e/nginx_command.rs"]
mod nginx_command;
// Configurations in the manner of real ones, beside nginx.
#[path = "e2e/nginx_compare.rs"]
mod nginx_compare;
#[path = "e2e/nginx_conf.rs"]
mod nginx_conf;
// A page of the site decides who may have an answer.
#[path = "e2e/auth_request.rs"]
mod auth_request;
// Links that only who knows a secret can make.
#[path = "e2e/secure_link.rs"]
mod secure_link;
// An application under another path, with fields in its own words.
#[path = "e2e/pool_path.rs"]
mod pool_path;
// Application servers behind TLS.
#[path = "e2e/https_servers.rs"]
mod https_servers;
// Interim replies.
#[path = "e2e/early_hints.rs"]
mod early_hints;
// Certificates that clients show.
#[path = "e2e/client_certificates.rs"]
mod client_certificates;
// Access logs with formats of one's own.
#[path = "e2e/logs.rs"]
mod logs;
// X-Accel-Redirect and locations for it alone.
#[path = "e2e/accel.rs"]
mod accel;
// WebSocket.
#[path = "e2e/websocket.rs"]
mod websocket;
// Servers by their names in DNS.
#[path = "e2e/names.rs"]
mod names;
// Between edge and wsgi-adapter.
#[path = "e2e/connections.rs"]
mod connections;
// Several wsgi-adapters before one edge.
#[path = "e2e/adapters.rs"]
mod adapters;
// Clients that leave.
#[path = "e2e/leaving.rs"]
mod leaving;
// The application never waits for a client, and no client holds it.
#[path = "e2e/pace.rs"]
mod pace;
// What one client may hold, and for how long.
#[path = "e2e/bounds.rs"]
mod bounds;
// Few file descriptors.
#[path = "e2e/descriptors.rs"]
mod descriptors;
// The one setting for memory, and what others get while it is used up.
#[path = "e2e/memory.rs"]
mod memory;
#[path = "e2e/scarce.rs"]
mod scarce;
// Files that change, ranges of them, their types.
#[path = "e2e/files.rs"]
mod files;
// What each client has a part of, and what a full disk does.
#[path = "e2e/shares.rs"]
mod shares;

#[path = "e2e/joined.rs"]
mod joined;
// Large bodies, and many slow clients.
#[path = "e2e/uploads.rs"]
mod uploads;
// Visitors who differ in one field, address or spelling, and those who share a page all the same.
#[path = "e2e/apart.rs"]
mod apart;
// One call per page, for all; and never a page for the wrong visitor.
#[path = "e2e/cache.rs"]
mod cache;
#[path = "e2e/languages.rs"]
mod languages;
#[path = "e2e/private.rs"]
mod private;
// Holes of shared pages, filled for each visitor.
#[path = "e2e/holes.rs"]
mod holes;
// What applications are told of the edge that asks them.
#[path = "e2e/admin_field.rs"]
mod admin_field;
// Texts of one visitor in shared pages.
#[path = "e2e/named_values.rs"]
mod named_values;
#[path = "e2e/variants.rs"]
mod variants;
// All kinds of visitors at once, before applications that show all they can see.
#[path = "e2e/strangers.rs"]
mod strangers;
// Pages past their life: the application is asked whether they still hold.
#[path = "e2e/revalidation.rs"]
mod revalidation;
// What a request's own Cache-Control changes, where a location honours it.
#[path = "e2e/directives.rs"]
mod directives;
// Purges as people make them.
#[path = "e2e/purge.rs"]
mod purge;
// Who may ask what of the admin listener.
#[path = "e2e/plane.rs"]
mod plane;
// Who may purge.
#[path = "e2e/purge_token.rs"]
mod purge_token;
// Several edges and cache-nodes as one cache.
#[path = "e2e/cluster.rs"]
mod cluster;
// One call per page over all edges: thousands at once, nodes that leave and join, how soon who waits has it.
#[path = "e2e/once.rs"]
mod once;
// Clocks that are set.
#[path = "e2e/clocks.rs"]
mod clocks;
// What a cluster shows in its metrics.
#[path = "e2e/seen.rs"]
mod seen;
// When edges and nodes are ready.
#[path = "e2e/ready.rs"]
mod ready;
// Conditions and ranges, answered from stored pages.
#[path = "e2e/conditions.rs"]
mod conditions;
// What a location's cache settings change.
#[path = "e2e/cache_settings.rs"]
mod cache_settings;
// Who waits for another's page, how long, and for what.
#[path = "e2e/collapse.rs"]
mod collapse;
// One odd reply costs the others nothing.
#[path = "e2e/odd_visitors.rs"]
mod odd_visitors;
// Who may have an answer, and how much of it.
#[path = "e2e/access.rs"]
mod access;
#[path = "e2e/limits.rs"]
mod limits;
#[path = "e2e/shared_limits.rs"]
mod shared_limits;
// Compression on the fly.
#[path = "e2e/compression.rs"]
mod compression;
// Why a URL is cached or not.
#[path = "e2e/explain.rs"]
mod explain;
// The verdict of `explain` and what the edge does, question by question.
#[path = "e2e/explain_agrees.rs"]
mod explain_agrees;
// Application, Redis, cache-node and Weir itself stop or misbehave.
#[path = "e2e/failures.rs"]
mod failures;
// Redis fails, fails over and is moved, under load.
#[path = "e2e/redis.rs"]
mod redis;
// Several application servers: who gets what, and servers that come and go while it runs.
#[path = "e2e/balancing.rs"]
mod balancing;
// More requests than the servers take.
#[path = "e2e/overload.rs"]
mod overload;
// New settings while visitors are served.
#[path = "e2e/reload.rs"]
mod reload;
// Application servers that are reloaded, restarted, stopped and killed.
#[path = "e2e/restarts.rs"]
mod restarts;
// A new process that takes over the sockets of the old one.
#[path = "e2e/handover.rs"]
mod handover;
// Rules, try_files, error_page and the like, side by side with nginx.
#[path = "e2e/routes.rs"]
mod routes;
// Single-page applications, maintenance pages, PHP.
#[path = "e2e/whole_sites.rs"]
mod whole_sites;
// Sites bound to listeners.
#[path = "e2e/listen.rs"]
mod listen;
// Which site and location answers, and files.
#[path = "e2e/routing.rs"]
mod routing;
// Variables, and fields that settings add to replies and requests.
#[path = "e2e/fields.rs"]
mod fields;
// Logs, metrics, health, traces.
#[path = "e2e/observability.rs"]
mod observability;
// What is misconfigured on this machine.
#[path = "e2e/doctor.rs"]
mod doctor;
// What an operator sees by the command line: settings, live requests, figures.
#[path = "e2e/seeing.rs"]
mod seeing;
// The settings that deploy/ ships.
#[path = "e2e/deployed.rs"]
mod deployed;
// The demo site as its visitors see it.
#[path = "e2e/django.rs"]
mod django;
