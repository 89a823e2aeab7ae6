//! Debian's nginx on the lab's server, for measurements.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::{Lab, Process, Role};

/// Site and configuration, in the server's private `/var`; uploads stay in memory.
const HOME: &str = "/var/lab-nginx";

const CONFIG: &str = "user root;
worker_processes 1;
daemon off;
pid /run/lab-nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 4g;
    client_body_temp_path /var/lab-nginx/body;
    proxy_temp_path /var/lab-nginx/proxy;
    fastcgi_temp_path /var/lab-nginx/fastcgi;
    uwsgi_temp_path /var/lab-nginx/uwsgi;
    scgi_temp_path /var/lab-nginx/scgi;
    server {
        listen 80;
        listen [::]:80;
        root /var/lab-nginx/site;
        location /upload/ { dav_methods PUT DELETE; create_full_put_path on; }
    }
}
";

/// The running web server: `/1k`, `/100k`, and PUT below `/upload/`.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    _process: Process,
}

impl Nginx {
    /// Starts it on port 80 of the lab's server.
    pub fn start(lab: &Lab) -> anyhow::Result<Self> {
        let host = lab.host(Role::Server);
        let address = SocketAddr::new(IpAddr::V4(host.v4()), 80);
        host.shell(&format!("mkdir -p {HOME}/site/upload"))?;
        for (name, length) in [("1k", 1024), ("100k", 100 * 1024)] {
            std::fs::write(host.outside(&format!("{HOME}/site/{name}")), vec![b'x'; length])?;
        }
        std::fs::write(host.outside(&format!("{HOME}/nginx.conf")), CONFIG)?;
        let mut command = host.command("nginx");
        command.args(["-c", &format!("{HOME}/nginx.conf")]);
        let mut process = host.start("nginx", command)?;
        host.wait_for_port(address.port(), &mut process, Duration::from_secs(20))?;
        Ok(Self { address, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
