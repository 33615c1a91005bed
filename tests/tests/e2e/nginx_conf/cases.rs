//! The table of configurations and requests.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        file: "cookiecutter-django.conf",
        requests: &[
            "GET localhost /media/photo.jpg",
            "GET localhost /media/two%20words.txt",
            "GET localhost /media/",
            "GET localhost /media/none",
            "GET localhost /count/a?h=X-Own:1",
            "GET localhost /count/b?status=404",
            "HEAD localhost /media/photo.jpg",
            "POST localhost /media/photo.jpg",
        ],
        missing: &[],
    },
    Case {
        file: "gunicorn.conf",
        requests: &[
            "GET example.com /page.txt",
            "GET example.com /count/g",
            "GET www.example.com /",
            "GET other.example /count/x",
            "GET example.com /500.html",
        ],
        missing: &[],
    },
    Case {
        file: "odoo.conf",
        requests: &[
            "GET odoo.example.com /count/o?type=application/json&size=2000",
            "GET odoo.example.com /count/o?type=application/json&size=2000 | Accept-Encoding: gzip",
            "GET odoo.example.com /websocket/count/w",
        ],
        missing: &[],
    },
    Case {
        file: "superset.conf",
        requests: &[
            "GET a.example /static/count/s",
            "GET a.example /count/t?h=X-Own:1",
            "GET a.example /count/u?status=500",
        ],
        missing: &[],
    },
    Case {
        file: "netbox.conf",
        requests: &[
            "https GET netbox.example.com /static/site.css",
            "https GET netbox.example.com /count/n",
            "GET netbox.example.com /a?b=c",
            "GET netbox.example.com /inner/site.css",
            "GET other /",
        ],
        missing: &[],
    },
    Case {
        file: "spa.conf",
        requests: &[
            "GET app.example.com /",
            "GET app.example.com /some/page",
            "GET app.example.com /assets/app.js",
            "GET app.example.com /assets/none.js",
            "GET app.example.com /api/count/s",
            "GET app.example.com /index.html",
            "GET app.example.com /api/count/t?status=404",
        ],
        missing: &[],
    },
    Case {
        file: "wagtail.conf",
        requests: &[
            "GET wagtail.example.com /static/site.css",
            "GET wagtail.example.com /media/photo.jpg",
            "GET wagtail.example.com /robots.txt",
            "GET wagtail.example.com /maintenance.html",
            "GET wagtail.example.com /count/wa",
        ],
        missing: &[],
    },
    Case {
        file: "docker-resolver.conf",
        requests: &["GET localhost /health", "GET localhost /count/d"],
        missing: &[],
    },
    Case {
        file: "certbot.conf",
        requests: &[
            "https GET shop.example.com /static/site.css",
            "https GET shop.example.com /count/c",
            "GET www.shop.example.com /x",
            "GET shop.example.com /y?z",
            "GET other.example /",
        ],
        missing: &[],
    },
    Case {
        file: "flask-tutorial.conf",
        requests: &[
            "GET flask.example.com /static/site.css",
            "GET flask.example.com /count/f",
            "GET flask.example.com /static",
        ],
        missing: &[],
    },
    Case {
        file: "fastapi-prefix.conf",
        requests: &[
            "GET api.example.com /api/v1/count/fa",
            "GET api.example.com /api/v1/count/fb?status=302&h=Location:http://internal.example/x?y=z",
            "GET api.example.com /api/v1/count/fc?status=302&h=Location:/old/x",
            "GET api.example.com /api/v1/count/fd?h=Set-Cookie:a=b;%20Domain=internal.example;%20Path=/c",
            "GET api.example.com /other",
            "GET api.example.com /api/v1",
        ],
        missing: &[],
    },
    Case {
        file: "protected-media.conf",
        requests: &[
            "GET files.example.com /protected/photo.jpg",
            "GET files.example.com /count/p?h=X-Accel-Redirect:/protected/photo.jpg&type=image/jpeg",
            "GET files.example.com /count/q",
            "GET files.example.com /links/photo.jpg",
            "GET files.example.com /links/photo.jpg?expires=4102444800&md5=4gEPq8J7c_0tcSDx3QU5wA",
            "GET files.example.com /links/photo.jpg?expires=1000000000&md5=ZhopEvNhydncIWPuiCO7VQ",
            "GET files.example.com /members/count/me",
            "GET files.example.com /members/count/me | X-Key: open",
            "GET files.example.com /may-ask | X-Key: open",
        ],
        missing: &[],
    },
    Case { file: "microcache.conf", requests: &["GET news.example.com /count/m?h=X-Own:1"], missing: &[] },
    Case {
        file: "rate-limit.conf",
        requests: &["GET limit.example.com /login/count/l", "GET limit.example.com /count/l2"],
        missing: &[],
    },
    Case {
        file: "staging.conf",
        requests: &[
            "GET staging.example.com /count/st",
            "GET staging.example.com /count/st2 | Authorization: Basic YW5uOnNlY3JldA==",
            "GET staging.example.com /healthz",
        ],
        missing: &[],
    },
    Case {
        file: "maintenance.conf",
        requests: &["GET down.example.com /count/mt", "GET down.example.com /page.txt"],
        missing: &[],
    },
    Case {
        file: "https-redirects.conf",
        requests: &[
            "GET old.example.com /blog/12",
            "GET old.example.com /feed",
            "GET old.example.com /x?y=z",
            "GET old.example.com /posts/count/r",
        ],
        missing: &[],
    },
    Case { file: "channels.conf", requests: &["GET live.example.com /count/ch"], missing: &[] },
    Case {
        file: "types-and-maps.conf",
        requests: &[
            "GET types.example.com /static/site.css",
            "GET types.example.com /static/note.txt",
            "GET types.example.com /count/ty?type=text/html",
            "GET types.example.com /media/photo.jpg",
        ],
        missing: &[],
    },
    Case {
        file: "ckan.conf",
        requests: &[
            "GET data.example.com /count/ck?h=X-Powered-By:me",
            "GET data.example.com /fonts/a.woff2",
        ],
        missing: &[],
    },
];
