// SPDX-License-Identifier: GPL-2.0-only
/*
 * Performs what confspace asks for. Nothing here decides; the hardware is reached
 * through the PCI core where the core keeps state of its own. Under dev->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "pciback.h"

/* Only ever on: a guest's mapping must not meet a device that does not decode (XSA-120, 126). */
static void decode_on(struct pb_dev *dev, u16 bits)
{
	u16 cmd;

	if (pci_read_config_word(dev->pdev, PCI_COMMAND, &cmd) || cmd == 0xffff)
		return;
	if (dev->pdev->is_virtfn)
		bits &= ~PCI_COMMAND_MEMORY;
	if ((cmd & bits) != bits)
		pci_write_config_word(dev->pdev, PCI_COMMAND, cmd | bits);
}

static void bus_master(struct pb_dev *dev, bool on)
{
	if (on)
		pci_set_master(dev->pdev);
	else
		pci_clear_master(dev->pdev);
}

/* A function may lose its registers on the way through D3: they are put back. */
void pb_power(struct pb_dev *dev, u32 state)
{
	struct pci_dev *pdev = dev->pdev;
	int err;

	if (state && !dev->d3_saved) {
		pci_save_state(pdev);
		dev->d3_saved = true;
	}
	err = pci_set_power_state(pdev, (__force pci_power_t)state);
	if (!state && dev->d3_saved) {
		pci_restore_state(pdev);
		dev->d3_saved = false;
		bus_master(dev, dev->cs->b[PCI_COMMAND].shadow & PCI_COMMAND_MASTER);
	}
	if (err) {
		u32 real = (__force u32)pdev->current_state;

		cs_note_power(dev->cs, real <= 3 ? real : 0);
	}
}

static void hw_write(struct pb_dev *dev, const struct cs_effect *e)
{
	switch (e->size) {
	case 1:
		pci_write_config_byte(dev->pdev, e->off, e->value);
		break;
	case 2:
		pci_write_config_word(dev->pdev, e->off, e->value);
		break;
	case 4:
		pci_write_config_dword(dev->pdev, e->off, e->value);
		break;
	}
}

void pb_effects(struct pb_dev *dev, const struct cs_effects *fx)
{
	struct pci_dev *pdev = dev->pdev;
	unsigned int i;

	for (i = 0; i < fx->nr; i++) {
		const struct cs_effect *e = &fx->e[i];

		switch (e->type) {
		case CS_EFF_HW_WRITE:
			hw_write(dev, e);
			break;
		case CS_EFF_DECODE_ON:
			decode_on(dev, e->value);
			break;
		case CS_EFF_BUS_MASTER:
			bus_master(dev, e->value);
			break;
		case CS_EFF_MWI:
			if (!e->value)
				pci_clear_mwi(pdev);
			else if (pci_set_mwi(pdev))
				dev_dbg(&pdev->dev, "no memory write and invalidate\n");
			break;
		case CS_EFF_INTX:
			pci_intx(pdev, !e->value);
			break;
		case CS_EFF_POWER:
			pb_power(dev, e->value);
			break;
		case CS_EFF_FLR:
			dev->flr_wanted = true;
			break;
		case CS_EFF_READRQ:
			/* Never below the payload, which some devices do not survive. */
			pcie_set_readrq(pdev, max_t(int, e->value, pcie_get_mps(pdev)));
			break;
		case CS_EFF_VPD:
			pb_vpd_read(dev, e->value);
			break;
		case CS_EFF_DENIED:
			if (e->value == 1)
				dev_info_ratelimited(&pdev->dev,
						     "guest's write to register %#x (%u bytes, %s) denied: %s\n",
						     e->off, e->size,
						     cs_region_name(dev->cs, e->off),
						     cs_region_reason(dev->cs, e->off));
			break;
		}
	}
}
