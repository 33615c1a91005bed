# Varnish for the same pages as nginx.conf. Words in @…@ are filled in by bench/contenders.py.
vcl 4.1;

backend application {
    .path = "@HTTP@";
}

sub vcl_recv {
    if (req.url !~ "^/long/") {
        return (pass);
    }
}

sub vcl_backend_response {
    if (bereq.url ~ "^/long/") {
        set beresp.ttl = 1h;
    }
}
