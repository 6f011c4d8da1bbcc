//! Who may connect: certificates, the administrator's token, kubeconfig files.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

use super::ControlPlaneError;

/// The user behind the administrator's token, as audit entries name it.
pub const ADMIN: &str = "admin";

/// Random bytes of the token.
const TOKEN_BYTES: usize = 16;

/// A certificate authority for one control plane; it signs the apiserver's certificate and those of users.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    token: String,
    folder: PathBuf,
    /// Users so far; their files are told apart by it.
    users: AtomicU32,
}

impl Authority {
    /// Makes the files that the servers read, in `folder`.
    pub(super) fn create(folder: &Path) -> Result<Self, ControlPlaneError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject("quaymaster-testkit", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let token = random_hex().map_err(ControlPlaneError::io("reading random bytes"))?;
        let authority = Self {
            issuer,
            token,
            folder: folder.to_owned(),
            users: AtomicU32::new(0),
        };

        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name = subject("kube-apiserver", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificate, key) = authority.sign(&params)?;
        authority.write("ca.crt", &authority.issuer.pem())?;
        authority.write("apiserver.crt", &certificate)?;
        authority.write("apiserver.key", &key)?;
        let service_accounts = KeyPair::generate()?;
        authority.write("service-account.key", &service_accounts.serialize_pem())?;
        authority.write("service-account.pub", &service_accounts.public_key_pem())?;
        authority.write(
            "tokens.csv",
            &format!("{},{ADMIN},{ADMIN},\"system:masters\"\n", authority.token),
        )?;
        Ok(authority)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a kubeconfig with the administrator's token.
    pub(super) fn write_admin(&self, server: &str) -> Result<PathBuf, ControlPlaneError> {
        let user = json!({ "token": self.token });
        self.write("kubeconfig", &self.kubeconfig(server, ADMIN, &user))
    }

    /// Writes a kubeconfig with a new certificate for the user.
    pub(super) fn write_user(
        &self,
        server: &str,
        name: &str,
        group: Option<&str>,
    ) -> Result<PathBuf, ControlPlaneError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, key) = self.sign(&params)?;
        // User names such as system:serviceaccount:a:b make poor file names, so only a part of each is kept.
        let readable: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let file = format!("{}-{readable}", self.users.fetch_add(1, Ordering::Relaxed));
        let certificate = self.write(&format!("user-{file}.crt"), &certificate)?;
        let key = self.write(&format!("user-{file}.key"), &key)?;
        let user = json!({ "client-certificate": certificate, "client-key": key });
        self.write(
            &format!("kubeconfig-{file}"),
            &self.kubeconfig(server, name, &user),
        )
    }

    /// A kubeconfig in JSON, which is YAML too.
    fn kubeconfig(&self, server: &str, name: &str, user: &Value) -> String {
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": self.file("ca.crt")}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        });
        format!("{text:#}\n")
    }

    fn sign(&self, params: &CertificateParams) -> Result<(String, String), ControlPlaneError> {
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, ControlPlaneError> {
        let path = self.file(name);
        fs::write(&path, text).map_err(ControlPlaneError::io("writing a credential"))?;
        Ok(path)
    }
}

/// The settings of a client for a kubeconfig file: no retry below the caller, and no proxy, since all is loopback.
pub(super) async fn client_config(kubeconfig: &Path) -> Result<Config, ControlPlaneError> {
    let kubeconfig =
        Kubeconfig::read_from(kubeconfig).map_err(|error| ControlPlaneError::Client(error.into()))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| ControlPlaneError::Client(error.into()))?;
    config.default_retry = false;
    config.proxy_url = None;
    Ok(config)
}

/// In a client's certificate the common name is the user and the organization its group.
fn subject(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
