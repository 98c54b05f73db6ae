//! A component joined with the functions of the host.

use crate::bindings::migrating::MigratingContractPre;
use crate::bindings::preparing::PreparingContractPre;
use crate::bindings::{Contract, ContractPre};
use crate::host::HostData;
use crate::host_state::HostState;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

/// What an entry point's instances are made from.
pub(crate) struct Linked<S: HostState> {
    pub contract: ContractPre<HostData<S>>,
    /// With `migrate`, where the component exports it.
    pub migrating: Option<MigratingContractPre<HostData<S>>>,
    /// With `prepare`, where the component exports it.
    pub preparing: Option<PreparingContractPre<HostData<S>>>,
}

impl<S: HostState> Linked<S> {
    /// Joins them; says what is wrong where the component does not have the exports of a contract, or has a `migrate` or
    /// `prepare` that is another function than a contract's.
    pub fn new(engine: &Engine, component: &Component) -> Result<Self, String> {
        let text = |error: wasmtime::Error| format!("{error:#}");
        let mut linker = Linker::new(engine);
        Contract::add_to_linker::<_, HasSelf<HostData<S>>>(&mut linker, |data| data).map_err(text)?;
        let linked = linker.instantiate_pre(component).map_err(text)?;
        let contract = ContractPre::new(linked.clone()).map_err(text)?;
        let exports = |name| component.get_export_index(None, name).is_some();
        let migrating = exports("migrate").then(|| MigratingContractPre::new(linked.clone()));
        let preparing = exports("prepare").then(|| PreparingContractPre::new(linked));
        Ok(Self {
            contract,
            migrating: migrating.transpose().map_err(text)?,
            preparing: preparing.transpose().map_err(text)?,
        })
    }
}
