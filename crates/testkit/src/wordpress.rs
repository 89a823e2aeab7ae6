//! Debian's `WordPress` with nginx, php-fpm and `MariaDB`, inside the private mounts of the lab's server.
//!
//! The packages only lend their programs: data, configuration and sockets are the lab's own, in
//! folders that exist in the server's mounts alone.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::blog::FOLDER;
use crate::{Host, Lab, Process, Role, programs, wait};

/// Database and configuration, in the server's private `/var`; the site lies where the blog does.
const HOME: &str = "/var/lab-wordpress";
/// Sockets, in the server's private `/run`.
const SOCKETS: &str = "/run/lab-wordpress";
/// How long a server may take to start on a loaded machine.
const START: Duration = Duration::from_mins(1);

const FPM: &str = "[global]
error_log = /dev/stderr
daemonize = no
[www]
user = www-data
group = www-data
listen = /run/lab-wordpress/fpm.sock
listen.owner = www-data
pm = static
pm.max_children = 4
";

const NGINX: &str = "user www-data;
worker_processes 1;
daemon off;
pid /run/lab-wordpress/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
    access_log /var/log/blog/access.log combined;
    include /etc/nginx/mime.types;
    client_body_temp_path /run/lab-wordpress/body;
    proxy_temp_path /run/lab-wordpress/proxy;
    fastcgi_temp_path /run/lab-wordpress/fastcgi;
    uwsgi_temp_path /run/lab-wordpress/uwsgi;
    scgi_temp_path /run/lab-wordpress/scgi;
    server {
        listen 80;
        listen [::]:80;
        root /var/www/blog;
        index index.php;
        # What the upload hole takes in is handed out as text and never run.
        location ^~ /wp-content/plugins/wp-file-manager/lib/files/ { types {} default_type text/plain; }
        location / { try_files $uri $uri/ /index.php?$args; }
        location ~ \\.php$ {
            try_files $uri =404;
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_pass unix:/run/lab-wordpress/fpm.sock;
        }
    }
}
";

const CONFIG: &str = "<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', 'lab');
define('DB_HOST', 'localhost:/run/lab-wordpress/mariadb.sock');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) { define('ABSPATH', __DIR__ . '/'); }
require_once ABSPATH . 'wp-settings.php';
";

/// A page that is served as it lies there.
const ABOUT: &str = "<!doctype html>\n<title>About</title>\n<p>Notes on the coast guards of Kyushu.</p>\n";

/// The running site.
#[derive(Debug)]
pub struct WordPress<'lab> {
    host: &'lab Host,
    address: SocketAddr,
    _processes: Vec<Process>,
}

impl<'lab> WordPress<'lab> {
    /// Starts database, PHP and web server on port 80 of the lab's server, and installs the site.
    pub fn start(lab: &'lab Lab) -> anyhow::Result<Self> {
        let host = lab.host(Role::Server);
        let address = SocketAddr::new(IpAddr::V4(host.v4()), 80);
        let plugin = programs::source().join("demo/wordpress-plugin");
        host.mount_memory(FOLDER)?;
        host.shell(&format!(
            "set -e
mkdir -p {HOME}/database {SOCKETS} /var/log/blog
chown mysql:mysql {HOME}/database
chmod 1777 {SOCKETS}
cp -rL /usr/share/wordpress/. {FOLDER}/
rm -rf {FOLDER}/wp-content/plugins/wp-file-manager
mkdir -p {FOLDER}/wp-content/mu-plugins
cp '{plugin}/sakimori-demo-flaw.php' {FOLDER}/wp-content/mu-plugins/
cp -r '{plugin}/wp-file-manager' {FOLDER}/wp-content/plugins/
mkdir {FOLDER}/wp-content/plugins/wp-file-manager/lib/files
chown -R www-data:www-data {FOLDER}/wp-content
mariadb-install-db --no-defaults --user=mysql --datadir={HOME}/database --skip-test-db \
    --auth-root-authentication-method=normal >/dev/null",
            plugin = plugin.display(),
        ))?;
        let files = [
            (format!("{HOME}/fpm.conf"), FPM),
            (format!("{HOME}/nginx.conf"), NGINX),
            (format!("{FOLDER}/wp-config.php"), CONFIG),
            (format!("{FOLDER}/about.html"), ABOUT),
        ];
        for (path, text) in files {
            std::fs::write(host.outside(&path), text)?;
        }
        let mut processes = vec![start_database(host)?];

        let mut fpm = host.command(php_fpm()?);
        fpm.args(["--nodaemonize", "--fpm-config", &format!("{HOME}/fpm.conf")]);
        processes.push(host.start("php-fpm", fpm)?);
        let mut nginx = host.command("nginx");
        nginx.args(["-c", &format!("{HOME}/nginx.conf")]);
        let mut nginx = host.start("nginx", nginx)?;
        host.wait_for_port(address.port(), &mut nginx, START)?;
        processes.push(nginx);
        let site = Self { host, address, _processes: processes };
        site.script("install")?;
        Ok(site)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the original post back and removes the uploads.
    pub fn restore(&self) -> anyhow::Result<()> {
        self.script("restore")
    }

    fn script(&self, what: &str) -> anyhow::Result<()> {
        let script = programs::source().join("demo/wordpress-plugin/install.php");
        let url = format!("http://{}", self.address.ip());
        let output = self.host.run("php", &[&script.to_string_lossy(), FOLDER, &url, what])?;
        if !output.trim_end().ends_with("ed") {
            bail!("the site's script to {what} said: {output}");
        }
        Ok(())
    }
}

fn start_database(host: &Host) -> anyhow::Result<Process> {
    let socket = format!("--socket={SOCKETS}/mariadb.sock");
    let mut command = host.command("mariadbd");
    command.args([
        "--no-defaults",
        "--user=mysql",
        "--skip-networking",
        "--innodb-buffer-pool-size=32M",
        &socket,
    ]);
    command.args([
        &format!("--datadir={HOME}/database"),
        "--innodb-flush-method=fsync",
        &format!("--pid-file={SOCKETS}/db.pid"),
    ]);
    let mut database = host.start("mariadb", command)?;
    wait::until("MariaDB", START, || {
        database.check_alive()?;
        host.run("mariadb", &["--no-defaults", &socket, "--execute=select 1"]).map(Some)
    })?;
    let make = "create database wordpress character set utf8mb4; \
                create user wordpress@localhost identified by 'lab'; \
                grant all on wordpress.* to wordpress@localhost";
    host.run("mariadb", &["--no-defaults", &socket, &format!("--execute={make}")])?;
    Ok(database)
}

/// Debian names the program after PHP's version.
fn php_fpm() -> anyhow::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/usr/sbin")? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("php-fpm") {
            found.push(entry.path());
        }
    }
    found.sort();
    found.pop().context("php-fpm is not installed")
}
