//! Servers by their names in DNS, which change while it runs.

use serde_json::Value;
use weir_tests::{Dns, Oracle, Stack, Topology, Uwsgi, check, until};

fn settings(server: &str, dns: &Dns) -> String {
    format!(
        "[[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         [[wsgi_adapter.pool]]\nname = \"app\"\nservers = [{server}]\nbuffer_size = \"32KiB\"\n\
         nameservers = [\"{}\"]\nresolve_every = \"100ms\"\n",
        dns.address()
    )
}

/// What the pool has, as the API shows it, once it is so many.
fn servers(stack: &Stack, number: usize) -> Vec<Value> {
    until(&format!("the pool has {number} servers"), || {
        let shown = stack.admin("/api/v1/pools/app/servers").expect(200).json();
        shown.as_array().filter(|shown| shown.len() == number).cloned()
    })
}

fn port(server: &Uwsgi) -> String {
    server.address().rsplit_once(':').unwrap().1.to_owned()
}

#[test]
fn srv_records_name_servers_weights_and_backups() {
    let apps = [Uwsgi::oracle(), Uwsgi::oracle(), Uwsgi::oracle()];
    let [first, second, third] = [0, 1, 2].map(|n| port(&apps[n]));
    let host = "app.test. 1 IN A 127.0.0.1\n";
    let dns = Dns::start(&format!(
        "_web._tcp.app.test. 1 IN SRV 10 30 {first} app.test.\n_web._tcp.app.test. 1 IN SRV 10 10 {second} app.test.\n\
         _web._tcp.app.test. 1 IN SRV 20 0 {third} app.test.\n{host}"
    ));
    check(Topology::OneProcess, settings("\"uwsgi+srv://_web._tcp.app.test\"", &dns), |stack| {
        let shown = servers(stack, 3);
        let weights: Vec<_> = shown.iter().map(|shown| (&shown["weight"], &shown["backup"])).collect();
        assert_eq!(
            weights,
            [(&3.into(), &false.into()), (&1.into(), &false.into()), (&1.into(), &true.into())]
        );
        for _ in 0..40 {
            stack.get("/count/x").expect(200);
        }
        assert_eq!(apps.each_ref().map(|app| Oracle::of(app).calls("x")), [30, 10, 0]);
        // Only the backup is left, and what was found stays when nobody answers.
        dns.set(&format!("_web._tcp.app.test. 1 IN SRV 20 0 {third} app.test.\n{host}"));
        let shown = servers(stack, 1);
        assert_eq!((&shown[0]["address"], &shown[0]["backup"]), (&apps[2].address().into(), &false.into()));
        dns.stop();
        until("it is said that nothing is found", || {
            stack.log().contains("what was found before stays").then_some(())
        });
        stack.get("/count/x").expect(200);
        assert_eq!(Oracle::of(&apps[2]).calls("x"), 1);
    });
}

#[test]
fn addresses_come_and_go() {
    let app = Uwsgi::oracle();
    let port = port(&app);
    let dns = Dns::start("app.test. 1 IN A 127.0.0.1\n");
    let server = format!("{{ address = \"uwsgi://app.test:{port}\", resolve = true }}");
    check(Topology::OneProcess, settings(&server, &dns), |stack| {
        assert_eq!(servers(stack, 1)[0]["address"], app.address().as_str());
        stack.get("/count/x").expect(200);
        dns.set("app.test. 1 IN A 127.0.0.1\napp.test. 1 IN AAAA ::1\n");
        let shown = servers(stack, 2);
        assert!(
            shown.iter().any(|shown| shown["address"] == format!("uwsgi://[::1]:{port}").as_str()),
            "{shown:?}"
        );
        dns.set("app.test. 1 IN AAAA ::1\n");
        let shown = servers(stack, 1);
        assert_eq!(shown[0]["address"], format!("uwsgi://[::1]:{port}").as_str());
        assert_eq!(stack.get("/count/x").status, 502, "nobody listens there");
    });
}
