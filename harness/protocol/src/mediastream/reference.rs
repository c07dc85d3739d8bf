use crate::ReferenceSettings;
use crate::machine::Machine;

pub(super) fn new(_settings: &ReferenceSettings) -> Result<Box<dyn Machine>, String> {
    todo!()
}
